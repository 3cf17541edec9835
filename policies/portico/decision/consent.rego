package portico.decision

import data.portico.consent
import data.portico.matrix
import data.portico.vocabulary

# METADATA
# title: Refused
# description: Of the tags that a patient has not consented to, those withheld; none where consent is not asked about.
refused(type, relationships, tags) := set() if {
	count(tags) > 0
	unasked(type, relationships)
} else := tags

# METADATA
# title: Unconsented
# description: >-
#   The tags that a patient has not consented to: those denied, and those that need a permit and have none. Where PUBLIC
#   is among them, the record itself does not show. A denial outweighs any permit, whatever their order.
# custom:
#   guideline: 45 CFR 164.508, 45 CFR 164.522(a), 42 CFR 2.31
unconsented(provisions, silent, labels) := denied(provisions, labels) | unpermitted(provisions, silent, labels)

# METADATA
# title: Unasked
# description: Consent is not asked about records of a type that concerns no patient, and in exempt relationships.
# custom:
#   guideline: 45 CFR 164.524, 42 CFR 2.51
unasked(type, _) if type in consent.outside

unasked(_, relationships) if {
	some relationship in standing(relationships)
	relationship in consent.exempt[input.purpose]
}

# METADATA
# title: Heard
# description: >-
#   The provisions of any class that matter to this purpose and these roles. Most of what patients say is about others,
#   and classes that differ in nothing else are decided as one.
heard := {provision |
	some provision in {provision | some class in input.classes; some provision in class.consent}
	matters(provision)
}

# METADATA
# title: Matters
# description: >-
#   A permit matters if it is about this purpose and one of these roles; anything else, unless it is plainly about
#   others. An unknown word proves nothing.
matters(provision) if {
	provision.kind == "permit"
	here(provision.purposes, vocabulary.purposes, [input.purpose])
	here(provision.roles, matrix, input.principal.roles)
	every label in provision.labels { vocabulary.labels[label] }
	every tag in provision.tags { vocabulary.tags[tag] }
}

matters(provision) if {
	provision.kind != "permit"
	not elsewhere(provision.purposes, vocabulary.purposes, [input.purpose])
	not elsewhere(provision.roles, matrix, input.principal.roles)
}

# METADATA
# title: Denied
# description: The tags that denials forbid. A provision of a kind that nobody knows is a denial.
denied(provisions, labels) := {tag |
	some provision in provisions
	not provision.kind in {"permit", "opt_in"}
	not elsewhere(provision.labels, vocabulary.labels, labels)
	some tag in affected(provision)
}

# METADATA
# title: Unpermitted
# description: The tags that need a permit and have none.
unpermitted(provisions, silent, labels) := {tag |
	some [tags, naming] in needs(provisions, silent, labels)
	some tag in (tags - permitted(provisions, labels, naming))
}

# METADATA
# title: Needs
# description: >-
#   The tags that need a permit, each with the label that the permit has to name, if any: everything for an opt-in
#   purpose and of patients whose silence is not enough, everything of a record with an opt-in label, and what the
#   patient has made opt-in.
needs(provisions, silent, labels) := (asked | labelled) | demanded if {
	asked := {[every_tag, null] | ask_first(silent)}
	labelled := {[every_tag, label] | some label in labels; label in consent.opt_in.labels}
	demanded := {[affected(provision), null] |
		some provision in provisions
		provision.kind == "opt_in"
		not elsewhere(provision.labels, vocabulary.labels, labels)
	}
}

# METADATA
# title: Ask first
# description: The purpose is opt-in, or the patient has said nothing at all and that is not enough for it.
ask_first(silent) if {
	input.purpose in consent.opt_in.purposes
} else := object.get(consent.no_record, input.purpose, "refused") != "permitted" if {
	silent
} else := false

# METADATA
# title: Permitted
# description: >-
#   The tags that permits give for a record with these labels; where a label is to be named, those that name it. One
#   that names tags gives those, and that the record exists.
permitted(provisions, labels, naming) := {tag |
	some provision in provisions
	provision.kind == "permit"
	here(provision.labels, vocabulary.labels, labels)
	names(provision, naming)
	some tag in (affected(provision) | {"PUBLIC"})
}

# METADATA
# title: Names
# description: A permit names the label that it has to name.
names(_, null)

names(provision, label) if label in provision.labels

# METADATA
# title: Affected
# description: The tags that a provision names; all where it names none, or one that nobody knows.
affected(provision) := named if {
	named := {tag | some tag in provision.tags}
	count(named) > 0
	count(named - every_tag) == 0
} else := every_tag

# METADATA
# title: Every tag
# description: All tags that there are.
every_tag := object.keys(vocabulary.tags)

# METADATA
# title: Elsewhere
# description: Words are named, each is known, and none of them is ours.
elsewhere(named, known, ours) if {
	count(named) > 0
	every word in named {
		known[word]
		not word in ours
	}
} else := false

# METADATA
# title: Here
# description: No word is named, or all are known and one of them is ours.
here([], _, _)

here(named, known, ours) if {
	every word in named { known[word] }
	some word in named
	word in ours
}
