package portico.decision_test

import data.portico.decision

commands := {
	"shout": {
		"by": {
			"desk": {"purposes": ["HOPERAT"], "of": "anyone", "not_of": ["self"]},
			"clerk": {"purposes": ["HOPERAT"], "of": ["scheduled"]},
			"bell": {"purposes": ["HOPERAT"], "of": "nobody"},
		},
		"step_up": {"acr": ["two"], "max_age_seconds": 60},
		"limits": {"max_per_day": 2},
	},
	"whisper": {"by": {"desk": {"purposes": ["HOPERAT"], "of": "nobody"}}},
}

staff := {
	"desk": {"kind": "person", "purposes": {}},
	"clerk": {"kind": "person", "purposes": {}},
	"bell": {"kind": "service", "purposes": {}},
}

commanded(changes) := answer if {
	question := {"principal": desk, "purpose": "HOPERAT", "command": "shout", "facts": {"relationships": []}}
	answer := decision.command with input as object.union(question, changes)
		with data.portico.commands as commands
		with data.portico.matrix as staff
}

barred(reason) := {"effect": "deny", "reason": reason, "obligations": []}

test_a_command_is_allowed_with_what_it_asks if {
	commanded({}) == {
		"effect": "allow",
		"obligations": {"step_up", "limits"},
		"step_up": {"acr": ["two"], "max_age_seconds": 60},
		"limits": {"max_per_day": 2},
	}
	commanded({"command": "whisper", "facts": {}}) == {"effect": "allow", "obligations": set()}
}

test_an_unknown_command_is_refused if {
	commanded({"command": "book"}) == barred("unknown_command")
	commanded({"command": "Shout"}) == barred("unknown_command")
}

test_another_role_purpose_or_kind_of_principal_is_refused if {
	every changes in [
		{"principal": {"roles": ["nurse"]}},
		{"principal": {"roles": []}},
		{"principal": {"purposes": []}},
		{"principal": {"kind": "service"}},
		{"purpose": "TREAT"},
		{"purpose": "TREAT", "principal": {"purposes": ["TREAT"]}},
		{"principal": {"roles": ["bell"]}},
	] {
		commanded(changes) == barred("command_not_permitted")
	}
}

test_a_command_about_a_patient_needs_the_relationship if {
	clerk := {"principal": {"roles": ["clerk"]}}
	commanded(clerk) == barred("no_relationship")
	commanded(object.union(clerk, {"facts": {"relationships": ["care_team"]}})) == barred("no_relationship")
	commanded(object.union(clerk, {"facts": {"relationships": ["care_team", "scheduled"]}})).effect == "allow"
}

test_a_command_about_a_patient_is_refused_where_nothing_is_said_of_them if {
	question := {"principal": desk, "purpose": "HOPERAT", "command": "shout", "facts": {}}
	answer := decision.command with input as question
		with data.portico.commands as commands
		with data.portico.matrix as staff
	answer == barred("no_relationship")
}

test_a_command_about_others_is_refused_about_oneself if {
	commanded({"facts": {"relationships": ["scheduled", "self"]}}) == barred("own_record")
}

test_an_unknown_relationship_refuses_a_command if {
	commanded({"facts": {"relationships": ["acquaintance"]}}) == barred("unknown_relationship")
}

test_a_command_about_nobody_asks_for_no_relationship if {
	ringing := {"principal": {"kind": "service", "roles": ["bell"]}, "facts": {"relationships": ["acquaintance"]}}
	commanded(ringing).effect == "allow"
}
