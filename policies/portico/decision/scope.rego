package portico.decision

import data.portico.grants

# METADATA
# title: Scope
# description: >-
#   The rows of a type that could be visible, as a union of conjunctions: every row of the tenant where one grant asks
#   for no relationship, otherwise the rows of patients in any of the relationships that the grants ask for.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema["scope.input"]
# custom:
#   effective_on: 2025-01-01
scope := {"rows": [{}]} if {
	some grant in grants.seeing(input.type)
	grant.of == "anyone"
} else := {"rows": [{"relationship": relationships}]} if {
	relationships := {relationship |
		some grant in grants.seeing(input.type)
		some relationship in grants.relationships(grant)
	}
	count(relationships) > 0
} else := {"rows": []}
