package portico.decision_test

import data.portico.decision

destinations := {"lab": {"purposes": ["TREAT"], "tags": ["PUBLIC", "CLINICAL"]}}

sent(destination, purpose) := answer.tags if {
	answer := decision.egress with input as {
		"destination": destination,
		"purpose": purpose,
		"tags": ["CLINICAL", "IDENTIFIER"],
	}
		with data.portico.destinations as destinations
}

test_a_destination_receives_only_its_tags if sent("lab", "TREAT") == {"CLINICAL"}

test_a_destination_receives_nothing_for_another_purpose if sent("lab", "HPAYMT") == set()

test_an_unknown_destination_receives_nothing if sent("Lab", "TREAT") == set()
