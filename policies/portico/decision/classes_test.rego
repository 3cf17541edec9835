package portico.decision_test

import data.portico.decision

patient_class := {
	"type": "Patient",
	"relationships": ["same_organization"],
	"labels": [],
	"consent": [],
	"tenant": "match",
	"attributes": {},
}

answer_with(changes, principal, table) := answer if {
	question := {
		"principal": principal,
		"purpose": "HOPERAT",
		"action": "read",
		"classes": {"it": object.union(patient_class, changes)},
	}
	answer := decision.classes.it with input as question with data.portico.matrix as table
}

answer_to(changes) := answer_with(changes, desk, matrix)

hidden(reason) := {"visible": false, "allow": [], "mask": {}, "deny": {}, "overrides": {}, "reason": reason}

# The desk's second row, allowing and masking what the test says.
with_second_row(row) := json.patch(matrix, [{"op": "replace", "path": "/desk/purposes/HOPERAT/1", "value": row}])

with_clinic_row(row) := with_second_row(object.union({"of": ["same_organization"], "see": ["Patient"]}, row))

test_a_class_shows_what_its_grants_release if {
	answer := answer_to({})
	answer.visible
	answer.allow == {"DEMOGRAPHIC"}
	answer.mask == {"CONTACT": "domain"}
	answer.deny.CLINICAL == "minimum_necessary"
	object.keys(answer.deny) == object.keys(data.portico.vocabulary.tags) - {"DEMOGRAPHIC", "CONTACT"}
	answer.overrides == {
		"Patient.mrn": {"effect": "allow"},
		"Patient.ssn": {"effect": "mask", "mask": "last4"},
		"Patient.language": {"effect": "deny", "reason": "minimum_necessary"},
	}
	answer.refuse == {}
	answer.step_up == {}
	answer.notices == {}
}

test_who_is_hidden_and_watched_is_noted if {
	answer_to({"labels": ["N", "VIP"]}) == object.union(hidden("label_not_cleared"), {"watch": true})
	answer_to({"relationships": [], "labels": ["EMP"]}) == object.union(hidden("no_relationship"), {"watch": true})
	answer_to({"labels": ["PSY"]}) == hidden("label_not_cleared")
}

test_who_is_watched_and_shows_is_not_noted if {
	cleared := with_clinic_row({"allow": ["PUBLIC"], "labels": ["VIP"]})
	answer := answer_with({"labels": ["VIP"]}, desk, cleared)
	answer.visible
	not answer.watch
}

test_who_is_watched_is_a_table if {
	answer := answer_to({"labels": ["PSY"]}) with data.portico.watch.labels as ["PSY"]
	answer.watch
	calm := answer_to({"labels": ["VIP"]}) with data.portico.watch.labels as ["PSY"]
	not calm.watch
}

test_every_class_is_answered if {
	question := {
		"principal": desk,
		"purpose": "HOPERAT",
		"action": "read",
		"classes": {"a": patient_class, "b": object.union(patient_class, {"type": "Nonsense"})},
	}
	answer := decision.classes with input as question with data.portico.matrix as matrix
	answer.a.visible
	answer.b == hidden("type_not_permitted")
}

test_several_relationships_give_the_union_of_their_rows if {
	answer := answer_to({"relationships": ["same_organization", "scheduled"]})
	answer.allow == {"DEMOGRAPHIC", "SCHEDULING"}
	answer.mask == {"CONTACT": "domain", "FINANCIAL": "hash"}
}

test_a_row_about_anyone_needs_no_relationship if {
	answer_to({"type": "Slot", "relationships": []}).allow == {"SCHEDULING"}
}

test_another_tenants_record_is_hidden if answer_to({"tenant": "other"}) == hidden("other_tenant")

test_an_unknown_relationship_hides if {
	answer_to({"relationships": ["same_organization", "acquaintance"]}) == hidden("unknown_relationship")
}

test_no_role_hides if {
	answer_with({}, object.union(desk, {"roles": []}), matrix) == hidden("purpose_not_permitted")
}

test_an_unseen_type_hides if answer_to({"type": "Claim"}) == hidden("type_not_permitted")

test_no_relationship_hides if answer_to({"relationships": []}) == hidden("no_relationship")

test_one_uncleared_label_of_several_hides if {
	answer_to({"labels": ["R"]}).visible
	answer_to({"labels": ["R", "PSY"]}) == hidden("label_not_cleared")
}

test_labels_are_cleared_row_by_row_and_never_together if {
	table := with_clinic_row({"labels": ["PSY"], "allow": ["CLINICAL"]})
	answer_with({"labels": ["PSY"]}, desk, table).allow == {"CLINICAL"}
	answer_with({"labels": ["R", "PSY"]}, desk, table) == hidden("label_not_cleared")
}

test_a_class_that_lacks_a_fact_is_hidden if {
	question := {
		"principal": desk,
		"purpose": "HOPERAT",
		"action": "read",
		"classes": {"it": object.remove(patient_class, ["consent"])},
	}
	answer := decision.classes.it with input as question with data.portico.matrix as matrix
	answer == hidden("not_understood")
}

test_a_tag_that_one_row_allows_and_another_masks_is_allowed if {
	table := with_clinic_row({"allow": ["CONTACT"]})
	answer := answer_with({}, desk, table)
	answer.allow == {"CONTACT", "DEMOGRAPHIC"}
	answer.mask == {}
}

test_a_tag_that_two_rows_mask_alike_is_masked if {
	table := with_clinic_row({"allow": [], "mask": {"CONTACT": "domain"}})
	answer_with({}, desk, table).mask == {"CONTACT": "domain"}
}

test_a_tag_that_two_rows_mask_differently_is_denied if {
	table := with_clinic_row({"allow": [], "mask": {"CONTACT": "hash"}})
	answer := answer_with({}, desk, table)
	answer.mask == {}
	answer.deny.CONTACT == "conflicting_masks"
}

test_a_denied_field_stays_denied_whatever_another_row_says if {
	table := with_clinic_row({
		"allow": ["DEMOGRAPHIC"],
		"except": {"allow": ["Patient.language"]},
	})
	answer_with({}, desk, table).overrides["Patient.language"] == {"effect": "deny", "reason": "minimum_necessary"}
}

test_a_masked_field_stays_masked_when_another_row_allows_it if {
	table := with_clinic_row({
		"allow": ["IDENTIFIER"],
		"except": {"allow": ["Patient.ssn"]},
	})
	answer_with({}, desk, table).overrides["Patient.ssn"] == {"effect": "mask", "mask": "last4"}
}

test_a_field_that_two_rows_mask_differently_is_denied if {
	table := with_clinic_row({
		"allow": [],
		"except": {"mask": {"Patient.ssn": "hash"}},
	})
	answer_with({}, desk, table).overrides["Patient.ssn"] == {"effect": "deny", "reason": "conflicting_masks"}
}

test_of_two_reasons_for_a_denied_field_the_same_one_is_always_given if {
	table := with_clinic_row({
		"allow": [],
		"except": {"deny": {"Patient.language": "free_text"}},
	})
	answer_with({}, desk, table).overrides["Patient.language"] == {"effect": "deny", "reason": "free_text"}
}

test_exceptions_of_other_types_are_not_mentioned if {
	table := with_second_row({
		"of": ["same_organization"],
		"see": ["Patient", "Claim"],
		"allow": [],
		"except": {"allow": ["Claim.status"]},
	})
	answer_with({"type": "Claim"}, desk, table).overrides == {"Claim.status": {"effect": "allow"}}
}

test_to_ones_own_record_there_is_no_other_relationship if {
	own := {"relationships": ["same_organization", "self"]}
	answer_to(own) == hidden("no_relationship")
	table := with_second_row({"of": ["self"], "see": ["Patient"], "allow": ["CLINICAL"]})
	answer_with(own, desk, table).allow == {"CLINICAL"}
	answer_to({"type": "Slot", "relationships": ["self"]}).visible
}

lately := {"acr": ["two", "three"], "max_age_seconds": 600}

just_now := {"acr": ["three", "four"], "max_age_seconds": 60}

step_ups_of(rows) := answer_with({}, desk, table).step_up if {
	table := {"desk": {"kind": "person", "purposes": {"HOPERAT": rows}}}
}

stepping(allow, step_up) := {"of": "anyone", "see": ["Patient", "Claim"], "allow": allow, "step_up": step_up}

test_a_row_asks_for_a_step_up_for_tags_and_for_fields_of_the_type if {
	asked := {"CONTACT": lately, "Patient.ssn": just_now, "Claim.lines": lately}
	step_ups_of([stepping(["CONTACT"], asked)]) == {
		"CONTACT": {"acr": {"two", "three"}, "max_age_seconds": 600},
		"Patient.ssn": {"acr": {"three", "four"}, "max_age_seconds": 60},
	}
}

test_a_tag_that_another_row_gives_without_needs_no_step_up if {
	stepped := stepping(["CONTACT"], {"CONTACT": lately})
	plain := {"of": "anyone", "see": ["Patient"], "allow": ["CONTACT"]}
	masking := {"of": "anyone", "see": ["Patient"], "allow": [], "mask": {"CONTACT": "domain"}}
	step_ups_of([stepped, plain]) == {}
	step_ups_of([masking, stepped]) == {}
	object.keys(step_ups_of([stepped, {"of": "anyone", "see": ["Patient"], "allow": ["PUBLIC"]}])) == {"CONTACT"}
}

test_a_field_needs_its_step_up_whatever_another_row_says if {
	plain := {"of": "anyone", "see": ["Patient"], "allow": ["IDENTIFIER"]}
	object.keys(step_ups_of([stepping(["IDENTIFIER"], {"Patient.ssn": lately}), plain])) == {"Patient.ssn"}
}

test_two_step_ups_for_the_same_come_to_what_satisfies_both if {
	both := [stepping(["CONTACT"], {"CONTACT": lately}), stepping(["CONTACT"], {"CONTACT": just_now})]
	step_ups_of(both) == {"CONTACT": {"acr": {"three"}, "max_age_seconds": 60}}
}
