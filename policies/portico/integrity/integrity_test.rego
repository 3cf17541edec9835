package portico.integrity_test

import data.portico.decision
import data.portico.integrity
import data.portico.matrix
import data.portico.vocabulary

table(row) := {"clerk": {"kind": "person", "purposes": {"TREAT": [row]}}}

sound := {"of": ["self"], "see": ["Patient"], "allow": ["PUBLIC"]}

found(changes) := violations if {
	violations := integrity.violations with data.portico.matrix as table(object.union(sound, changes))
}

test_the_tables_as_they_are_hold_together if count(integrity.violations) == 0

test_a_sound_row_is_sound if count(found({})) == 0

test_unknown_words_are_found if {
	found({"see": ["Patiens"]}) == {"clerk, TREAT, row 1: types Patiens is not in the vocabulary"}
	found({"allow": ["PUBLICK"]}) == {"clerk, TREAT, row 1: tags PUBLICK is not in the vocabulary"}
	found({"of": ["selves"]}) == {"clerk, TREAT, row 1: relationships selves is not in the vocabulary"}
	found({"labels": ["Q"]}) == {"clerk, TREAT, row 1: labels Q is not in the vocabulary"}
	found({"mask": {"CONTACT": "fog"}}) == {"clerk, TREAT, row 1: masks fog is not in the vocabulary"}
	found({"except": {"mask": {"Patient.ssn": "fog"}}}) == {"clerk, TREAT, row 1: masks fog is not in the vocabulary"}
	found({"except": {"deny": {"Patient.ssn": "mood"}}}) == {"clerk, TREAT, row 1: reasons mood is not in the vocabulary"}
}

test_an_exception_for_a_type_that_the_row_does_not_see_is_found if {
	found({"except": {"deny": {"Claim.lines": "free_text"}}}) == {"clerk, TREAT, row 1: field Claim.lines is of a type that the row does not see"}
}

test_a_tag_or_field_with_two_effects_is_found if {
	found({"mask": {"PUBLIC": "hash"}}) == {"clerk, TREAT, row 1: PUBLIC is both allowed and masked"}
}

test_an_unknown_tag_of_a_destination_is_found if {
	violations := integrity.violations with data.portico.destinations as {"lab": {"purposes": [], "tags": ["GOSSIP"]}}
	violations == {"destination lab: tags GOSSIP is not in the vocabulary"}
}

# Every question that the matrix could be asked: each role for each purpose about each type, with no relationship,
# with each one, and with all of them.
questions contains {"role": role, "purpose": purpose, "type": type, "relationships": relationships} if {
	some role, _ in matrix
	some purpose, _ in matrix[role].purposes
	some type, _ in vocabulary.types
	some relationships in relationship_sets
}

relationship_sets := ({[]} | {[relationship] | some relationship, _ in vocabulary.relationships}) | {[relationship | some relationship, _ in vocabulary.relationships]}

asker(question) := {
	"kind": matrix[question.role].kind,
	"roles": [question.role],
	"purposes": [question.purpose],
}

decided(question) := answer if {
	class := {
		"type": question.type,
		"relationships": question.relationships,
		"labels": [],
		"consent": [],
		"tenant": "match",
		"attributes": {},
	}
	answer := decision.classes.it with input as {
		"principal": asker(question),
		"purpose": question.purpose,
		"action": "read",
		"classes": {"it": class},
	}
}

test_no_decision_exceeds_its_ceiling if {
	every question in questions {
		decided(question) == decided(question)
		above_ceiling(question) == set()
	}
}

above_ceiling(question) := beyond_tags | beyond_fields if {
	answer := decided(question)
	released_fields := {field: "COMMUNICATION" |
		some field, override in answer.overrides
		override.effect != "deny"
	}
	ceiling := decision.ceiling[question.type] with input as {
		"principal": asker(question),
		"purpose": question.purpose,
		"action": "read",
		"types": {question.type: released_fields},
	}
	beyond_tags := ({tag | some tag in answer.allow} | object.keys(answer.mask)) - ceiling.tags
	beyond_fields := {field |
		some field, tag in released_fields
		not object.get(ceiling.coordinates, field, tag in ceiling.tags)
	}
}

test_nothing_visible_is_outside_its_scope if {
	every question in questions { within_scope(question) }
}

within_scope(question) if not decided(question).visible

within_scope(question) if {
	answer := decision.scope with input as {
		"principal": asker(question),
		"purpose": question.purpose,
		"type": question.type,
	}
	some row in answer.rows
	every attribute, values in row {
		attribute == "relationship"
		some relationship in question.relationships
		relationship in values
	}
}

test_no_tag_has_two_effects if {
	every question in questions {
		answer := decided(question)
		count({tag | some tag in answer.allow} & object.keys(answer.mask)) == 0
		count({tag | some tag in answer.allow} & object.keys(answer.deny)) == 0
		count(object.keys(answer.mask) & object.keys(answer.deny)) == 0
	}
}
