# METADATA
# title: Integrity
# description: Policy about policy. Tables that contradict themselves or use unknown words are refused when they load.
package portico.integrity

import data.portico.commands
import data.portico.consent
import data.portico.destinations
import data.portico.grants
import data.portico.matrix
import data.portico.vocabulary
import data.portico.watch

# METADATA
# title: Violations
# description: What is wrong with the tables, as sentences for those who edit them. Nothing loads unless this is empty.
# entrypoint: true
# scope: document
# schemas:
#   - data.portico.matrix: schema.portico.matrix
#   - data.portico.consent: schema.portico.consent
#   - data.portico.commands: schema.portico.commands
#   - data.portico.destinations: schema.portico.destinations
#   - data.portico.vocabulary: schema.portico.vocabulary
#   - data.portico.watch: schema.portico.watch
# custom:
#   effective_on: 2025-01-01
violations contains sprintf("%s: %s %s is not in the vocabulary", [row.at, kind, word]) if {
	some row in rows
	some kind, words in words_of(row.grant)
	some word in words
	not vocabulary[kind][word]
}

violations contains sprintf("%s: field %s is of a type that the row does not see", [row.at, coordinate]) if {
	some row in rows
	some coordinate in (grants.excepted(row.grant) | stepped_up(row.grant).fields)
	not split(coordinate, ".")[0] in row.grant.see
}

violations contains sprintf("%s: %s is given two effects", [row.at, word]) if {
	some row in rows
	some word in twice(row.grant)
}

violations contains sprintf("%s: %s tells that the record exists and can't ask for a step-up", [row.at, word]) if {
	some row in rows
	some word, _ in grants.step_ups(row.grant)
	tells_existence(word)
}

violations contains sprintf("consent: %s %s is not in the vocabulary", [kind, word]) if {
	some kind, words in words_of_consent
	some word in words
	not vocabulary[kind][word]
}

violations contains sprintf("consent: no_record says nothing of %s", [purpose]) if {
	some purpose, _ in vocabulary.purposes
	not consent.no_record[purpose]
}

violations contains sprintf("command %s: %s %s is not in the vocabulary", [name, kind, word]) if {
	some name, command in commands
	some permission in command.by
	some kind, words in words_of_permission(permission)
	some word in words
	not vocabulary[kind][word]
}

violations contains sprintf("command %s: %s is no role of the matrix", [name, role]) if {
	some name, command in commands
	some role, _ in command.by
	not matrix[role]
}

violations contains sprintf("watch: labels %s is not in the vocabulary", [label]) if {
	some label in watch.labels
	not vocabulary.labels[label]
}

violations contains sprintf("destination %s: tags %s is not in the vocabulary", [name, tag]) if {
	some name, destination in destinations
	some tag in destination.tags
	not vocabulary.tags[tag]
}

violations contains sprintf("destination %s: the agreement ends before it begins", [name]) if {
	some name, destination in destinations
	destination.baa.until != null
	destination.baa.until < destination.baa.from
}

# METADATA
# title: Rows
# description: Every row of the matrix with its place, counted from one.
rows := [{"at": sprintf("%s, %s, row %d", [role, purpose, index + 1]), "grant": grant} |
	some role, _ in matrix
	some purpose, grants_for_purpose in matrix[role].purposes
	some index, grant in grants_for_purpose
]

# METADATA
# title: Words of a row
# description: The words that a row uses, by the part of the vocabulary in which each must stand.
words_of(grant) := {
	"types": grant.see,
	"tags": (grants.given(grant) | stepped_up(grant).tags),
	"relationships": grants.relationships(grant),
	"labels": grants.labels(grant),
	"masks": ({mask | some mask in grants.masks(grant)} | {mask | some mask in grants.masked_fields(grant)}),
	"reasons": {reason | some reason in grants.denied_fields(grant)},
}

# METADATA
# title: Stepped up
# description: The tags and fields for which a row asks for a step-up.
stepped_up(grant) := {
	"tags": {word | some word, _ in grants.step_ups(grant); not contains(word, ".")},
	"fields": {word | some word, _ in grants.step_ups(grant); contains(word, ".")},
}

# METADATA
# title: Tells existence
# description: Without this tag or field nothing of a record shows, so nobody could be asked to step up for it.
tells_existence("PUBLIC")

tells_existence(word) if endswith(word, ".id")

# METADATA
# title: Words of the consent table
# description: The words that the consent table uses, by the part of the vocabulary in which each must stand.
words_of_consent := {
	"purposes": union({
		{purpose | some purpose in consent.opt_in.purposes},
		object.keys(consent.no_record),
		object.keys(consent.exempt),
	}),
	"labels": ({label | some label in consent.opt_in.labels} | object.keys(consent.notices)),
	"relationships": {relationship | some relationships in consent.exempt; some relationship in relationships},
	"types": {type | some type in consent.outside},
	"notices": {notice | some notice in consent.notices},
}

# METADATA
# title: Words of a permission
# description: The words that a command's permission uses, by the part of the vocabulary in which each must stand.
words_of_permission(permission) := {
	"purposes": {purpose | some purpose in permission.purposes},
	"relationships": ({name | some name in permission.of} | {name | some name in object.get(permission, "not_of", [])}),
}

# METADATA
# title: Words that a row uses twice
# description: Tags and fields for which one row gives two effects.
twice(grant) := tags | fields if {
	tags := {tag | some tag in grant.allow} & object.keys(grants.masks(grant))
	allowed := grants.allowed_fields(grant)
	masked := object.keys(grants.masked_fields(grant))
	denied := object.keys(grants.denied_fields(grant))
	fields := (allowed & masked) | ((allowed | masked) & denied)
}
