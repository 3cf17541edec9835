package portico.decision_test

import data.portico.decision

# What a patient says, about everything but what the words narrow it to.
says(kind, words) := object.union({"kind": kind, "purposes": [], "roles": [], "tags": [], "labels": []}, words)

clinic := {"desk": {"kind": "person", "purposes": {purpose: [{
	"of": ["same_organization"],
	"see": ["Patient", "Encounter", "Slot"],
	"labels": ["R", "PSY", "SUD"],
	"allow": ["PUBLIC", "CLINICAL", "CONTACT"],
	"mask": {"DEMOGRAPHIC": "initial"},
	"except": {"allow": ["Patient.ssn"]},
}] |
	some purpose in ["HOPERAT", "HRESCH", "PATRQT", "UNHEARD"]
}}}

table := {
	"opt_in": {"purposes": ["HRESCH"], "labels": ["SUD"]},
	"no_record": {"HOPERAT": "permitted", "PATRQT": "refused", "HRESCH": "permitted"},
	"exempt": {"PATRQT": ["guardian"]},
	"outside": ["Slot"],
	"notices": {"SUD": "part2_redisclosure"},
}

asked_for(purpose, changes) := answer if {
	question := {
		"principal": {"subject": "s", "kind": "person", "roles": ["desk"], "purposes": [purpose]},
		"purpose": purpose,
		"action": "read",
		"classes": {"it": object.union(patient_class, changes)},
	}
	answer := decision.classes.it with input as question
		with data.portico.matrix as clinic
		with data.portico.consent as table
}

after(provisions) := asked_for("HOPERAT", {"consent": provisions})

labelled(labels, provisions) := asked_for("HOPERAT", {"labels": labels, "consent": provisions})

researched(provisions) := asked_for("HRESCH", {"consent": provisions})

withheld(answer) := object.keys(answer.refuse)

test_a_denial_of_everything_hides_the_record if after([says("deny", {})]) == hidden("consent_denied")

test_a_denial_that_names_tags_refuses_them_whatever_else_is_said if {
	answer := after([says("deny", {"tags": ["CLINICAL", "DEMOGRAPHIC"]}), says("permit", {})])
	answer.allow == {"PUBLIC", "CONTACT"}
	answer.mask == {}
	answer.refuse == {"CLINICAL": "not_consented", "DEMOGRAPHIC": "not_consented"}
	not answer.deny.CLINICAL
	answer.overrides == {"Patient.ssn": {"effect": "allow"}}
}

test_what_nobody_is_given_is_denied_as_if_nothing_were_said if {
	answer := after([says("deny", {"tags": ["FINANCIAL"]})])
	answer.refuse == {"FINANCIAL": "not_consented"}
	answer.deny == after([says("permit", {})]).deny
}

test_a_denial_of_what_tells_that_the_record_exists_hides_it if {
	after([says("deny", {"tags": ["PUBLIC"]})]) == hidden("consent_denied")
}

test_a_denial_about_other_purposes_roles_or_labels_changes_nothing if {
	every words in [{"purposes": ["HRESCH"]}, {"roles": ["desk2"]}, {"labels": ["PSY"]}] {
		known := object.union(clinic, {"desk2": {"kind": "person", "purposes": {}}})
		question := {
			"principal": {"subject": "s", "kind": "person", "roles": ["desk"], "purposes": ["HOPERAT"]},
			"purpose": "HOPERAT",
			"action": "read",
			"classes": {"it": object.union(patient_class, {"consent": [says("deny", words)]})},
		}
		answer := decision.classes.it with input as question
			with data.portico.matrix as known
			with data.portico.consent as table
		answer.refuse == {}
	}
}

test_a_denial_about_this_purpose_this_role_and_this_label_counts if {
	words := {"purposes": ["HRESCH", "HOPERAT"], "roles": ["desk"], "labels": ["PSY", "SUD"]}
	labelled(["PSY"], [says("deny", words)]) == hidden("consent_denied")
	labelled(["R"], [says("deny", words)]).visible
}

test_a_denial_with_a_word_that_nobody_knows_counts if {
	every words in [{"purposes": ["FUN"]}, {"roles": ["nobody"]}, {"labels": ["Q"]}, {"tags": ["SOUL"]}] {
		after([says("deny", words)]) == hidden("consent_denied")
	}
	after([says("deny", {"purposes": ["HRESCH", "FUN"]})]) == hidden("consent_denied")
	after([says("deny", {"tags": ["CONTACT", "SOUL"]})]) == hidden("consent_denied")
}

test_a_provision_of_an_unknown_kind_is_a_denial if after([says("maybe", {})]) == hidden("consent_denied")

test_a_permit_is_not_needed_where_nothing_makes_it_so if {
	withheld(after([])) == set()
	withheld(after([says("permit", {"purposes": ["HRESCH"]})])) == set()
}

test_an_opt_in_purpose_needs_a_permit if {
	researched([]) == hidden("consent_missing")
	researched([says("deny", {"purposes": ["HMARKT"]})]) == hidden("consent_missing")
	researched([says("permit", {"purposes": ["HOPERAT"]})]) == hidden("consent_missing")
	researched([says("permit", {"roles": ["biller"]})]) == hidden("consent_missing")
	researched([says("permit", {"labels": ["PSY"]})]) == hidden("consent_missing")
	researched([says("permit", {})]).visible
	researched([says("permit", {"purposes": ["HMARKT", "HRESCH"], "roles": ["desk"]})]).visible
}

test_a_permit_with_a_word_that_nobody_knows_permits_nothing if {
	every words in [
		{"purposes": ["HRESCH", "FUN"]},
		{"roles": ["desk", "nobody"]},
		{"labels": ["Q"]},
		{"tags": ["CLINICAL", "SOUL"]},
	] {
		researched([says("permit", words)]) == hidden("consent_missing")
	}
}

test_a_permit_that_names_tags_permits_those_and_that_the_record_exists if {
	answer := researched([says("permit", {"tags": ["CLINICAL"]})])
	answer.allow == {"PUBLIC", "CLINICAL"}
	answer.mask == {}
	withheld(answer) == object.keys(data.portico.vocabulary.tags) - {"PUBLIC", "CLINICAL"}
}

test_a_denial_outweighs_a_permit_in_any_order if {
	permit := says("permit", {})
	denial := says("deny", {"purposes": ["HRESCH"]})
	researched([permit, denial]) == hidden("consent_denied")
	researched([denial, permit]) == hidden("consent_denied")
}

test_a_record_with_an_opt_in_label_needs_a_permit_that_names_the_label if {
	labelled(["SUD"], []) == hidden("consent_missing")
	labelled(["SUD"], [says("permit", {})]) == hidden("consent_missing")
	labelled(["SUD"], [says("permit", {"labels": ["PSY"]})]) == hidden("consent_missing")
	answer := labelled(["R", "SUD"], [says("permit", {"labels": ["SUD"], "tags": ["CONTACT"]})])
	answer.allow == {"PUBLIC", "CONTACT"}
	object.keys(answer.notices) == {"part2_redisclosure"}
}

test_what_a_patient_made_opt_in_needs_a_permit if {
	asked := says("opt_in", {"tags": ["CLINICAL"], "purposes": ["HOPERAT"]})
	withheld(after([asked])) == {"CLINICAL"}
	withheld(after([asked, says("permit", {"tags": ["CONTACT"]})])) == {"CLINICAL"}
	withheld(after([asked, says("permit", {"roles": ["desk"]})])) == set()
	after([says("opt_in", {})]) == hidden("consent_missing")
	after([says("opt_in", {"purposes": ["HRESCH"]})]).visible
	labelled(["PSY"], [says("opt_in", {"labels": ["PSY"]})]) == hidden("consent_missing")
	labelled(["R"], [says("opt_in", {"labels": ["PSY"]})]).visible
	after([says("opt_in", {"labels": ["Q"]})]) == hidden("consent_missing")
}

test_where_silence_is_not_enough_anything_else_is if {
	asked_for("PATRQT", {}) == hidden("consent_missing")
	asked_for("PATRQT", {"consent": [says("deny", {"purposes": ["HRESCH"]})]}).visible
	asked_for("UNHEARD", {}) == hidden("consent_missing")
}

test_consent_is_not_asked_about_in_an_exempt_relationship if {
	related := {"relationships": ["same_organization", "guardian"], "consent": [says("deny", {})]}
	asked_for("PATRQT", related).visible
	asked_for("HOPERAT", related) == hidden("consent_denied")
}

test_consent_is_not_asked_about_records_that_concern_no_patient if {
	asked_for("HRESCH", {"type": "Slot"}).visible
	asked_for("HRESCH", {"type": "Encounter"}) == hidden("consent_missing")
}
