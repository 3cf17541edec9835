package portico.integrity_test

import data.portico.decision
import data.portico.grants
import data.portico.integrity
import data.portico.matrix
import data.portico.vocabulary

table(row) := {"clerk": {"kind": "person", "purposes": {"TREAT": [row]}}}

sound := {"of": ["self"], "see": ["Patient"], "allow": ["PUBLIC"]}

found(changes) := sentences if {
	violations := integrity.violations with data.portico.matrix as table(object.union(sound, changes))
		with data.portico.commands as {}
	sentences := {sentence | some violation in violations; sentence := trim_prefix(violation, "clerk, TREAT, row 1: ")}
}

lately := {"acr": ["two"], "max_age_seconds": 60}

test_the_tables_as_they_are_hold_together if count(integrity.violations) == 0

test_a_sound_row_is_sound if count(found({})) == 0

test_unknown_words_are_found if {
	found({"see": ["Person"]}) == {"types Person is not in the vocabulary"}
	found({"allow": ["PUBLISHED"]}) == {"tags PUBLISHED is not in the vocabulary"}
	found({"of": ["selves"]}) == {"relationships selves is not in the vocabulary"}
	found({"labels": ["Q"]}) == {"labels Q is not in the vocabulary"}
	found({"mask": {"CONTACT": "fog"}}) == {"masks fog is not in the vocabulary"}
	found({"except": {"mask": {"Patient.ssn": "fog"}}}) == {"masks fog is not in the vocabulary"}
	found({"except": {"deny": {"Patient.ssn": "mood"}}}) == {"reasons mood is not in the vocabulary"}
	found({"step_up": {"GOSSIP": lately}}) == {"tags GOSSIP is not in the vocabulary"}
}

test_an_exception_for_a_type_that_the_row_does_not_see_is_found if {
	unseen := {"field Claim.lines is of a type that the row does not see"}
	found({"except": {"deny": {"Claim.lines": "free_text"}}}) == unseen
	found({"step_up": {"Claim.lines": lately}}) == unseen
}

test_a_violation_names_its_row if {
	violations := integrity.violations with data.portico.matrix as table(object.union(sound, {"labels": ["Q"]}))
		with data.portico.commands as {}
	violations == {"clerk, TREAT, row 1: labels Q is not in the vocabulary"}
}

test_a_tag_or_field_with_two_effects_is_found if {
	twice := {"Patient.ssn is given two effects"}
	found({"except": {"allow": ["Patient.ssn"], "mask": {"Patient.ssn": "last4"}}}) == twice
	found({"except": {"allow": ["Patient.ssn"], "deny": {"Patient.ssn": "free_text"}}}) == twice
	found({"except": {"mask": {"Patient.ssn": "last4"}, "deny": {"Patient.ssn": "free_text"}}}) == twice
	found({"mask": {"PUBLIC": "hash"}}) == {"PUBLIC is given two effects"}
}

test_a_step_up_for_what_tells_that_the_record_exists_is_found if {
	found({"step_up": {"Patient.ssn": lately}}) == set()
	every word in ["PUBLIC", "Patient.id"] {
		sentence := sprintf("%s tells that the record exists and can't ask for a step-up", [word])
		found({"step_up": {word: lately}}) == {sentence}
	}
}

consent_with(path, value) := json.patch(data.portico.consent, [{"op": "add", "path": path, "value": value}])

found_in_consent(path, value) := violations if {
	violations := integrity.violations with data.portico.consent as consent_with(path, value)
}

test_unknown_words_of_the_consent_table_are_found if {
	found_in_consent("/opt_in/purposes/0", "FUN") == {"consent: purposes FUN is not in the vocabulary"}
	found_in_consent("/opt_in/labels/0", "Q") == {"consent: labels Q is not in the vocabulary"}
	found_in_consent("/no_record/FUN", "refused") == {"consent: purposes FUN is not in the vocabulary"}
	found_in_consent("/exempt/FUN", ["self"]) == {"consent: purposes FUN is not in the vocabulary"}
	found_in_consent("/exempt/TREAT", ["selves"]) == {"consent: relationships selves is not in the vocabulary"}
	found_in_consent("/outside/0", "Person") == {"consent: types Person is not in the vocabulary"}
	found_in_consent("/notices/Q", "part2_redisclosure") == {"consent: labels Q is not in the vocabulary"}
	found_in_consent("/notices/PSY", "psst") == {"consent: notices psst is not in the vocabulary"}
}

test_a_purpose_of_which_the_consent_table_says_nothing_is_found if {
	forgetful := json.patch(data.portico.consent, [{"op": "remove", "path": "/no_record/TREAT"}])
	violations := integrity.violations with data.portico.consent as forgetful
	violations == {"consent: no_record says nothing of TREAT"}
}

found_in_commands(role, permission) := violations if {
	violations := integrity.violations with data.portico.commands as {"run": {"by": {role: permission}}}
}

test_unknown_words_of_a_command_are_found if {
	found_in_commands("patient", {"purposes": ["PATRQT"], "of": ["self"], "not_of": ["guardian"]}) == set()
	found_in_commands("patient", {"purposes": ["PATRQT"], "of": "anyone"}) == set()
	roleless := {"command run: Patient is no role of the matrix"}
	found_in_commands("Patient", {"purposes": ["PATRQT"], "of": "nobody"}) == roleless
	purposeless := {"command run: purposes FUN is not in the vocabulary"}
	found_in_commands("patient", {"purposes": ["FUN"], "of": "anyone"}) == purposeless
	unknown := {"command run: relationships selves is not in the vocabulary"}
	found_in_commands("patient", {"purposes": ["PATRQT"], "of": ["selves"]}) == unknown
	found_in_commands("patient", {"purposes": ["PATRQT"], "of": "anyone", "not_of": ["selves"]}) == unknown
}

test_an_unknown_tag_of_a_destination_is_found if {
	violations := integrity.violations with data.portico.destinations as {"lab": {"purposes": [], "tags": ["GOSSIP"]}}
	violations == {"destination lab: tags GOSSIP is not in the vocabulary"}
}

test_an_unknown_label_to_be_watched_is_found if {
	violations := integrity.violations with data.portico.watch.labels as ["VIP", "GOSSIP"]
	violations == {"watch: labels GOSSIP is not in the vocabulary"}
}

test_an_agreement_that_ends_before_it_begins_is_found if {
	lab := {"purposes": [], "tags": [], "baa": {"from": "2025-03-01", "until": "2025-02-28"}}
	violations := integrity.violations with data.portico.destinations as {"lab": lab}
	violations == {"destination lab: the agreement ends before it begins"}
	every until in ["2025-03-01", null] {
		sound_lab := object.union(lab, {"baa": {"until": until}})
		count(integrity.violations) == 0 with data.portico.destinations as {"lab": sound_lab}
	}
}

# Everyone whom the matrix knows, with one role, for each of its purposes.
askers contains {"principal": principal, "purpose": purpose} if {
	some role, _ in matrix
	some purpose, _ in matrix[role].purposes
	principal := {"kind": matrix[role].kind, "roles": [role], "purposes": [purpose]}
}

# Every type with no relationship, with each one, and with all of them, of patients who permit everything.
asked_classes := {key: class |
	some type, _ in vocabulary.types
	some relationships in relationship_sets
	key := sprintf("%s of %s", [type, concat("+", relationships)])
	class := {
		"type": type,
		"relationships": relationships,
		"labels": [],
		"consent": [{"kind": "permit", "purposes": [], "roles": [], "tags": [], "labels": []}],
		"tenant": "match",
		"attributes": {},
	}
}

relationship_sets contains []

relationship_sets contains [relationship] if some relationship, _ in vocabulary.relationships

relationship_sets contains [relationship | some relationship, _ in vocabulary.relationships]

decided(asker) := answer if {
	answer := decision.classes with input as object.union(asker, {"action": "read", "classes": asked_classes})
}

# A type's fields that the matrix excepts from their tag, as if nothing released their tag.
excepted_fields := {type: fields |
	some type, _ in vocabulary.types
	fields := {field: "COMMUNICATION" |
		some row in integrity.rows
		some field in grants.excepted(row.grant)
		startswith(field, sprintf("%s.", [type]))
	}
}

test_no_decision_exceeds_its_ceiling if {
	beyond := {[asker, key, excess] |
		some asker in askers
		ceiling := decision.ceiling with input as object.union(asker, {"action": "read", "types": excepted_fields})
		some key, answer in decided(asker)
		some excess in above(answer, ceiling[asked_classes[key].type])
	}
	beyond == set()
}

above(answer, limit) := tags | fields if {
	tags := ({tag | some tag in answer.allow} | object.keys(answer.mask)) - limit.tags
	fields := {field |
		some field, override in answer.overrides
		override.effect != "deny"
		not limit.coordinates[field]
	}
}

test_nothing_visible_is_outside_its_scope if {
	outside := {[asker, key] |
		some asker in askers
		some key, answer in decided(asker)
		answer.visible
		class := asked_classes[key]
		scope := decision.scope with input as object.union(asker, {"type": class.type})
		not within(class.relationships, scope)
	}
	outside == set()
}

within(relationships, scope) if {
	some row in scope.rows
	every attribute, values in row {
		attribute == "relationship"
		some relationship in relationships
		relationship in values
	}
}

test_no_tag_has_two_effects if {
	twice := {[asker, key] |
		some asker in askers
		some key, answer in decided(asker)
		allowed := {tag | some tag in answer.allow}
		masked := object.keys(answer.mask)
		denied := object.keys(answer.deny)
		refused := object.keys(object.get(answer, "refuse", {}))
		effects := [allowed, masked, denied, refused]
		count(union({tags | some tags in effects})) < sum([count(tags) | some tags in effects])
	}
	twice == set()
}

test_something_is_visible_to_everyone if {
	every asker in askers {
		some answer in decided(asker)
		answer.visible
	}
}
