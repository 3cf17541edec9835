package portico.grants_test

import data.portico.grants

matrix := {
	"nurse": {"kind": "person", "purposes": {"TREAT": [
		{"of": ["care_team"], "see": ["Patient"], "labels": ["R"], "allow": ["PUBLIC"], "mask": {"CONTACT": "domain"}},
		{
			"of": "anyone",
			"see": ["Slot", "Patient"],
			"allow": ["SCHEDULING"],
			"except": {
				"allow": ["Patient.name", "Patient.mrn"],
				"mask": {"Patient.ssn": "last4"},
				"deny": {"Patient.mrn": "free_text"},
			},
		},
	]}},
	"clerk": {"kind": "service", "purposes": {"TREAT": [{"of": "anyone", "see": ["Location"], "allow": ["PUBLIC"]}]}},
}

asked := {
	"principal": {"kind": "person", "roles": ["nurse"], "purposes": ["TREAT", "HPAYMT"]},
	"purpose": "TREAT",
	"action": "read",
}

with_principal(claims) := object.union(asked, {"principal": claims})

test_a_role_gives_its_rows_for_the_purpose if {
	held := grants.held with input as asked with data.portico.matrix as matrix
	held == {["nurse", index]: row | some index, row in matrix.nurse.purposes.TREAT}
}

test_a_purpose_that_the_role_does_not_serve_gives_nothing if {
	count(grants.held) == 0 with input as object.union(asked, {"purpose": "HPAYMT"})
		with data.portico.matrix as matrix
}

test_a_purpose_that_the_token_does_not_permit_gives_nothing if {
	count(grants.held) == 0 with input as with_principal({"purposes": ["HPAYMT"]}) with data.portico.matrix as matrix
}

test_an_unknown_role_gives_nothing if {
	count(grants.held) == 0 with input as with_principal({"roles": ["Nurse", "nurse ", "root"]})
		with data.portico.matrix as matrix
}

test_a_role_for_services_gives_a_person_nothing if {
	count(grants.held) == 0 with input as with_principal({"roles": ["clerk"]}) with data.portico.matrix as matrix
}

test_several_roles_give_the_union_of_their_rows if {
	people := json.patch(matrix, [{"op": "replace", "path": "/clerk/kind", "value": "person"}])
	alone := grants.held with input as asked with data.portico.matrix as people
	both := grants.held with input as with_principal({"roles": ["clerk", "nurse"]}) with data.portico.matrix as people
	both == object.union(alone, {["clerk", 0]: matrix.clerk.purposes.TREAT[0]})
}

test_anything_but_reading_gives_nothing if {
	count(grants.held) == 0 with input as object.union(asked, {"action": "write"}) with data.portico.matrix as matrix
}

test_rows_are_found_by_type if {
	count(grants.seeing("Patient")) == 2 with input as asked with data.portico.matrix as matrix
	count(grants.seeing("Slot")) == 1 with input as asked with data.portico.matrix as matrix
	count(grants.seeing("Claim")) == 0 with input as asked with data.portico.matrix as matrix
}

test_a_row_is_read_with_what_it_leaves_out if {
	[masking, excepting] := matrix.nurse.purposes.TREAT
	grants.given(masking) == {"PUBLIC", "CONTACT"}
	grants.given(excepting) == {"SCHEDULING"}
	grants.masks(excepting) == {}
	grants.labels(masking) == {"R"}
	grants.labels(excepting) == set()
	grants.relationships(masking) == {"care_team"}
	grants.relationships(excepting) == set()
	grants.allowed_fields(masking) == set()
	grants.masked_fields(masking) == {}
	grants.denied_fields(masking) == {}
	grants.step_ups(masking) == {}
	grants.step_ups({"step_up": {"CONTACT": {"acr": ["two"], "max_age_seconds": 60}}}).CONTACT.max_age_seconds == 60
}

test_a_field_that_a_row_denies_is_not_released_by_the_same_row if {
	excepting := matrix.nurse.purposes.TREAT[1]
	grants.released_fields(excepting) == {"Patient.name", "Patient.ssn"}
}
