package portico.decision

import data.portico.commands
import data.portico.matrix
import data.portico.vocabulary

# METADATA
# title: Command
# description: >-
#   Whether a command may be run, and what is asked of the principal first. An obligation stands in the list and, with
#   what it asks for, under its own name.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema["command.input"]
# custom:
#   reason: unknown_command, command_not_permitted, unknown_relationship, own_record, no_relationship
#   effective_on: 2026-01-01
command := object.union(terms, {"effect": "allow", "obligations": object.keys(terms)}) if {
	some permission in permissions
	suits(permission)
	terms := object.filter(commands[input.command], ["step_up", "limits"])
} else := {"effect": "deny", "reason": command_obstacle, "obligations": []}

# METADATA
# title: Obstacle to a command
# description: Why a command may not be run; what it lacks first.
command_obstacle := "unknown_command" if {
	not commands[input.command]
} else := "command_not_permitted" if {
	count(permissions) == 0
} else := "unknown_relationship" if {
	some relationship in input.facts.relationships
	not vocabulary.relationships[relationship]
} else := "own_record" if {
	"self" in input.facts.relationships
} else := "no_relationship"

# METADATA
# title: Permissions
# description: What the command's table gives to the principal's roles, for the purpose and the kind of principal.
permissions contains permission if {
	input.purpose in input.principal.purposes
	some role in input.principal.roles
	matrix[role].kind == input.principal.kind
	permission := commands[input.command].by[role]
	input.purpose in permission.purposes
}

# METADATA
# title: Suits
# description: A permission suits the patient whom the command is about, if it is about one.
suits(permission) if permission.of == "nobody"

suits(permission) if {
	permission.of == "anyone"
	acquainted(permission)
}

suits(permission) if {
	some relationship in input.facts.relationships
	relationship in permission.of
	acquainted(permission)
}

# METADATA
# title: Acquainted
# description: It is known how the principal stands to the patient, and the permission excludes nothing of it.
acquainted(permission) if {
	every relationship in input.facts.relationships {
		vocabulary.relationships[relationship]
		not relationship in object.get(permission, "not_of", [])
	}
}
