package portico.decision

import data.portico.destinations

# METADATA
# title: Egress
# description: Which tags a request to another system may carry for a purpose; to an unknown system, none.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema["egress.input"]
# custom:
#   guideline: 45 CFR 164.502(b)
#   effective_on: 2025-01-01
egress := {"tags": {tag |
	destination := destinations[input.destination]
	input.purpose in destination.purposes
	some tag in input.tags
	tag in destination.tags
}}
