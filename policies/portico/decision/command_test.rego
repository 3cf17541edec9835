package portico.decision_test

import data.portico.decision

test_no_command_is_known if {
	answer := decision.command with input as {"principal": desk, "purpose": "HOPERAT", "command": "book", "facts": {}}
	answer == {"effect": "deny", "reason": "unknown_command", "obligations": []}
}
