package portico.decision_test

import data.portico.decision

scope_of(type, table) := answer if {
	answer := decision.scope with input as {"principal": desk, "purpose": "HOPERAT", "type": type}
		with data.portico.matrix as table
}

test_a_row_about_anyone_reaches_every_row if scope_of("Slot", matrix) == {"rows": [{}]}

test_rows_about_relationships_reach_their_union if {
	scope_of("Patient", matrix) == {"rows": [{"relationship": {"same_organization", "scheduled"}}]}
}

test_a_row_about_anyone_outweighs_relationships if {
	table := with_second_row({"of": "anyone", "see": ["Patient"], "allow": ["PUBLIC"]})
	scope_of("Patient", table) == {"rows": [{}]}
}

test_no_row_reaches_nothing if scope_of("Claim", matrix) == {"rows": []}
