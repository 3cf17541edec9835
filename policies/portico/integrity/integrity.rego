# METADATA
# title: Integrity
# description: Policy about policy. Tables that contradict themselves or use unknown words are refused when they load.
package portico.integrity

import data.portico.destinations
import data.portico.grants
import data.portico.matrix
import data.portico.vocabulary

# METADATA
# title: Violations
# description: What is wrong with the tables, as sentences for those who edit them. Nothing loads unless this is empty.
# entrypoint: true
# scope: document
# schemas:
#   - data.portico.matrix: schema.portico.matrix
#   - data.portico.destinations: schema.portico.destinations
#   - data.portico.vocabulary: schema.portico.vocabulary
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
	some coordinate in excepted(row.grant)
	not split(coordinate, ".")[0] in row.grant.see
}

violations contains sprintf("%s: %s is given two effects", [row.at, word]) if {
	some row in rows
	some word in twice(row.grant)
}

violations contains sprintf("destination %s: tags %s is not in the vocabulary", [name, tag]) if {
	some name, destination in destinations
	some tag in destination.tags
	not vocabulary.tags[tag]
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
	"tags": grants.given(grant),
	"relationships": grants.relationships(grant),
	"labels": grants.labels(grant),
	"masks": ({mask | some mask in grants.masks(grant)} | {mask | some mask in grants.masked_fields(grant)}),
	"reasons": {reason | some reason in grants.denied_fields(grant)},
}

# METADATA
# title: Fields excepted by a row
# description: The coordinates that a row treats otherwise than their tag.
excepted(grant) := grants.released_fields(grant) | object.keys(grants.denied_fields(grant))

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
