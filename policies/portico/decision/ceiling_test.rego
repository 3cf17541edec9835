package portico.decision_test

import data.portico.decision

desk := {"subject": "s", "kind": "person", "roles": ["desk"], "purposes": ["HOPERAT"]}

matrix := {"desk": {"kind": "person", "purposes": {"HOPERAT": [
	{
		"of": ["same_organization"],
		"see": ["Patient"],
		"labels": ["R"],
		"allow": ["DEMOGRAPHIC"],
		"mask": {"CONTACT": "domain"},
		"except": {
			"allow": ["Patient.mrn"],
			"mask": {"Patient.ssn": "last4"},
			"deny": {"Patient.language": "minimum_necessary"},
		},
	},
	{"of": ["scheduled"], "see": ["Patient"], "allow": ["SCHEDULING"], "mask": {"FINANCIAL": "hash"}},
	{"of": "anyone", "see": ["Slot"], "allow": ["SCHEDULING"]},
]}}}

ceiling_of(coordinates) := answer if {
	question := {
		"principal": desk,
		"purpose": "HOPERAT",
		"action": "read",
		"types": {"Patient": coordinates, "Claim": {}},
	}
	answer := decision.ceiling with input as question with data.portico.matrix as matrix
}

test_the_ceiling_unites_what_any_relationship_gives if {
	ceiling_of({}).Patient.tags == {"DEMOGRAPHIC", "CONTACT", "SCHEDULING", "FINANCIAL"}
}

test_the_ceiling_answers_for_every_type_asked if {
	ceiling_of({}).Claim == {"tags": set(), "coordinates": {}}
}

test_the_ceiling_names_only_fields_that_differ_from_their_tag if {
	ceiling_of({
		"Patient.mrn": "IDENTIFIER",
		"Patient.ssn": "IDENTIFIER",
		"Patient.identifiers": "IDENTIFIER",
		"Patient.name": "DEMOGRAPHIC",
		"Patient.language": "DEMOGRAPHIC",
		"Patient.email": "CONTACT",
	}).Patient.coordinates == {"Patient.mrn": true, "Patient.ssn": true, "Patient.language": false}
}

test_a_field_that_one_row_denies_and_another_gives_is_within_the_ceiling if {
	generous := with_second_row({"of": ["scheduled"], "see": ["Patient"], "allow": ["DEMOGRAPHIC"]})
	question := {
		"principal": desk,
		"purpose": "HOPERAT",
		"action": "read",
		"types": {"Patient": {"Patient.language": "DEMOGRAPHIC"}},
	}
	answer := decision.ceiling with input as question with data.portico.matrix as generous
	answer.Patient.coordinates == {}
}

test_an_unknown_tag_is_above_the_ceiling if {
	ceiling_of({"Patient.soul": "METAPHYSICAL"}).Patient.coordinates == {}
}
