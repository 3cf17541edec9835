package portico.decision

import data.portico.destinations

# METADATA
# title: Egress
# description: >-
#   Which tags a request to another system may carry for a purpose on a day, and why not all that were asked about. To a
#   system that is not in the register, or with which no agreement is in force, nothing is sent at all.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema["egress.input"]
# custom:
#   guideline: 45 CFR 164.502(b), 45 CFR 164.502(e), 45 CFR 164.504(e)
#   effective_on: 2025-01-01
egress := {"tags": sendable, "reason": null} if {
	cleared_for_egress
	every tag in input.tags { tag in sendable }
} else := {"tags": sendable, "reason": "tag_not_registered"} if {
	cleared_for_egress
} else := {"tags": set(), "reason": obstacle}

# METADATA
# title: Cleared for egress
# description: The destination is registered for the purpose, and an agreement with it is in force on the day.
cleared_for_egress if {
	destination := destinations[input.destination]
	in_force(destination.baa, input.date)
	input.purpose in destination.purposes
}

# METADATA
# title: Obstacle
# description: Why a destination that is not cleared isn't; what it lacks first.
obstacle := "purpose_not_registered" if {
	in_force(destinations[input.destination].baa, input.date)
} else := "no_agreement" if {
	destinations[input.destination]
} else := "unknown_destination"

# METADATA
# title: Sendable
# description: The tags asked about that the destination is registered for.
sendable := {tag |
	some tag in input.tags
	tag in destinations[input.destination].tags
}

# METADATA
# title: In force
# description: A business associate agreement counts from its first day to its last, both included; null is no last day.
# custom:
#   guideline: 45 CFR 164.504(e)
in_force(agreement, day) if {
	agreement.from <= day
	agreement.until == null
}

in_force(agreement, day) if {
	agreement.from <= day
	day <= agreement.until
}
