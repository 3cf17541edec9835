package portico.decision_test

import data.portico.decision

lab := {
	"for": "Laboratory results.",
	"region": "US",
	"baa": {"from": "2025-03-01", "until": "2026-02-28"},
	"purposes": ["TREAT"],
	"tags": ["PUBLIC", "CLINICAL"],
}

with_lab(changes) := {"lab": object.union(lab, changes)}

answer_on(day, register) := answer if {
	question := {"destination": "lab", "purpose": "TREAT", "tags": ["CLINICAL", "IDENTIFIER"], "date": day}
	answer := decision.egress with input as question with data.portico.destinations as register
}

sent(question) := answer if {
	asked := {"destination": "lab", "purpose": "TREAT", "tags": ["CLINICAL"], "date": "2025-06-01"}
	register := with_lab({})
	answer := decision.egress with input as object.union(asked, question) with data.portico.destinations as register
}

refused(reason) := {"tags": set(), "reason": reason}

test_a_destination_receives_its_tags if {
	sent({}) == {"tags": {"CLINICAL"}, "reason": null}
	sent({"tags": []}) == {"tags": set(), "reason": null}
}

test_a_destination_receives_only_its_tags if {
	sent({"tags": ["CLINICAL", "IDENTIFIER"]}) == {"tags": {"CLINICAL"}, "reason": "tag_not_registered"}
	sent({"tags": ["IDENTIFIER"]}) == {"tags": set(), "reason": "tag_not_registered"}
}

test_a_destination_receives_nothing_for_another_purpose if {
	sent({"purpose": "HPAYMT"}) == refused("purpose_not_registered")
}

test_an_unknown_destination_receives_nothing if {
	sent({"destination": "Lab"}) == refused("unknown_destination")
	sent({"destination": "Lab", "tags": []}) == refused("unknown_destination")
}

test_an_agreement_counts_from_its_first_day_to_its_last if {
	counting := {day |
		some day in ["2025-02-28", "2025-03-01", "2025-09-09", "2026-02-28", "2026-03-01", "2027-01-01"]
		answer_on(day, with_lab({})).tags == {"CLINICAL"}
	}
	counting == {"2025-03-01", "2025-09-09", "2026-02-28"}
	answer_on("2026-03-01", with_lab({})) == refused("no_agreement")
	answer_on("2025-02-28", with_lab({})) == refused("no_agreement")
}

test_an_agreement_without_a_last_day_counts_from_its_first if {
	open := with_lab({"baa": {"from": "2025-03-01", "until": null}})
	answer_on("2099-12-31", open).tags == {"CLINICAL"}
	answer_on("2025-02-28", open) == refused("no_agreement")
}

test_without_an_agreement_nothing_is_sent if {
	answer_on("2025-06-01", with_lab({"baa": null})) == refused("no_agreement")
	answer_on("2025-06-01", {"lab": object.remove(lab, ["baa"])}) == refused("no_agreement")
	unended := json.patch(with_lab({}), [{"op": "remove", "path": "/lab/baa/until"}])
	answer_on("2025-06-01", unended) == refused("no_agreement")
}

test_an_incomplete_entry_receives_nothing if {
	every missing in ["purposes", "baa"] {
		answer_on("2025-06-01", {"lab": object.remove(lab, [missing])}).tags == set()
	}
	answer_on("2025-06-01", {"lab": object.remove(lab, ["tags"])}) == refused("tag_not_registered")
}
