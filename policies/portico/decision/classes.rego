package portico.decision

import data.portico.consent
import data.portico.grants
import data.portico.vocabulary
import data.portico.watch

# METADATA
# title: Classes
# description: >-
#   What is released of records of each class. A class shows only if everything about it is understood, at least one
#   grant covers it, and its patient consents; the grants that cover it are united.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema["classes.input"]
# custom:
#   guideline: 45 CFR 164.502(b), 45 CFR 164.510(b)
#   effective_on: 2026-01-01
classes := {key: noted(class, answer(class)) | some key, class in input.classes}

# METADATA
# title: Noted
# description: >-
#   An answer, with a word for the audit trail where nothing shows of somebody whom others are curious about. The
#   principal is told nothing of it.
noted(class, said) := object.union(said, {"watch": true}) if {
	not said.visible
	some label in class.labels
	label in watch.labels
} else := said

# METADATA
# title: Answer
# description: A class's answer.
answer(class) := verdict(class.type, class.relationships, class.labels, provisions, silent) if {
	class.tenant == "match"
	provisions := {provision | some provision in class.consent} & heard
	silent := count(class.consent) == 0
} else := hidden("other_tenant") if {
	class.tenant != "match"
} else := hidden("not_understood")

# METADATA
# title: Verdict
# description: What is released of records like this; visible only on positive grounds.
verdict(type, relationships, labels, provisions, silent) := released(type, places, withheld, notices(labels)) if {
	places := covering(type, relationships, labels)
	count(places) > 0
	withheld := refused(type, relationships, unconsented(provisions, silent, labels))
	not "PUBLIC" in withheld
} else := hidden(objection(type, relationships, labels, provisions))

# METADATA
# title: Hidden
# description: The answer about records that do not exist for the principal; the reason is for the audit trail alone.
hidden(reason) := {"visible": false, "allow": [], "mask": {}, "deny": {}, "overrides": {}, "reason": reason}

# METADATA
# title: Objection
# description: Why records like this do not show.
objection(type, relationships, labels, provisions) := "unknown_relationship" if {
	not standing(relationships)
} else := "purpose_not_permitted" if {
	count(grants.held) == 0
} else := "type_not_permitted" if {
	count(grants.seeing(type)) == 0
} else := "no_relationship" if {
	count(covering(type, relationships, [])) == 0
} else := "label_not_cleared" if {
	count(covering(type, relationships, labels)) == 0
} else := "consent_denied" if {
	"PUBLIC" in denied(provisions, labels)
} else := "consent_missing"

# METADATA
# title: Covering
# description: >-
#   The places of the grants that see a type, ask for no relationship or for one that the principal has, and are cleared
#   for every label.
# custom:
#   guideline: HL7 Healthcare Privacy and Security Classification System
covering(type, relationships, labels) := {place |
	some place, grant in grants.seeing(type)
	concerns(grant, standing(relationships))
	every label in labels { label in grants.labels(grant) }
}

# METADATA
# title: Standing
# description: >-
#   How the principal stands to a patient. Whoever works with patients is nothing but themselves to their own record.
#   Undefined where a relationship is unknown.
standing(relationships) := ["self"] if {
	known_relationships(relationships)
	"self" in relationships
} else := relationships if {
	known_relationships(relationships)
}

# METADATA
# title: Known relationships
# description: The policies know all of these relationships.
known_relationships(relationships) if {
	every relationship in relationships { vocabulary.relationships[relationship] }
}

# METADATA
# title: Concerns
# description: A grant concerns the records of anyone, or those of patients in one of its relationships.
concerns(grant, relationships) if {
	grant.of == "anyone"
} else if {
	some relationship in relationships
	relationship in grants.relationships(grant)
} else := false

# METADATA
# title: Notices
# description: What must be said with a record that carries these labels.
# custom:
#   guideline: 42 CFR 2.32
notices(labels) := {notice: vocabulary.notices[notice] |
	some label in labels
	notice := consent.notices[label]
}

# METADATA
# title: Released
# description: >-
#   The union of the grants in these places, tag by tag; a tag that one grant allows and another masks is allowed. What
#   the patient has not consented to is refused besides. What nobody in these places is given is denied as ever, so that
#   a reason never tells what the patient said.
released(type, places, withheld, said) := {
	"visible": true,
	"notices": said,
	"allow": allowed - withheld,
	"mask": {tag: mask | some tag, mask in masked; not tag in withheld},
	"deny": {tag: tag_refusal(tag, proposed) |
		some tag, _ in vocabulary.tags
		not tag in allowed
		not masked[tag]
	},
	"overrides": {coordinate: strictest(coordinate, covered) | some coordinate in exceptions(type, covered)},
	"refuse": {tag: "not_consented" | some tag in withheld},
	"step_up": step_ups(type, covered),
} if {
	covered := {grant | some place in places; grant := grants.held[place]}
	allowed := {tag | some grant in covered; some tag in grant.allow}
	proposed := {tag: masks |
		some grant in covered
		some tag, _ in grants.masks(grant)
		not tag in allowed
		masks := {mask | some other in covered; mask := grants.masks(other)[tag]}
	}
	masked := {tag: mask | some tag, masks in proposed; count(masks) == 1; some mask in masks}
}

# METADATA
# title: Refusal of a tag
# description: Why a tag is neither allowed nor masked.
tag_refusal(tag, proposed) := "conflicting_masks" if {
	proposed[tag]
} else := "minimum_necessary"

# METADATA
# title: Exceptions
# description: The coordinates of a type that some grant treats otherwise than their tag.
exceptions(type, covered) := {coordinate |
	some grant in covered
	some coordinate in grants.excepted(grant)
	startswith(coordinate, sprintf("%s.", [type]))
}

# METADATA
# title: Strictest
# description: What the grants' exceptions for a coordinate come to. Denial outweighs masks, a mask outweighs release.
strictest(coordinate, covered) := {"effect": "deny", "reason": min(reasons)} if {
	reasons := {reason | some grant in covered; reason := grants.denied_fields(grant)[coordinate]}
	count(reasons) > 0
} else := {"effect": "deny", "reason": "conflicting_masks"} if {
	count(field_masks(coordinate, covered)) > 1
} else := {"effect": "mask", "mask": mask} if {
	some mask in field_masks(coordinate, covered)
} else := {"effect": "allow"}

# METADATA
# title: Masks of a field
# description: The masks that the grants' exceptions name for a coordinate.
field_masks(coordinate, covered) := {mask | some grant in covered; mask := grants.masked_fields(grant)[coordinate]}

# METADATA
# title: Step-ups
# description: >-
#   The authentication that tags and fields of a type ask for; where grants ask for several, what satisfies them all. A
#   tag asks for none where a grant gives it without.
step_ups(type, covered) := {what: {"acr": acr, "max_age_seconds": min(ages)} |
	some grant in covered
	some what, _ in grants.step_ups(grant)
	asked_of(what, type, covered)
	demands := {demand | some other in covered; demand := grants.step_ups(other)[what]}
	acr := intersection({ways | some demand in demands; ways := {way | some way in demand.acr}})
	ages := {demand.max_age_seconds | some demand in demands}
}

# METADATA
# title: Asked of
# description: A step-up is about a field of this type, or about a tag that no grant gives without one.
asked_of(what, type, _) if startswith(what, sprintf("%s.", [type]))

asked_of(what, _, covered) if {
	not contains(what, ".")
	every grant in covered { asks_or_withholds(grant, what) }
}

# METADATA
# title: Asks or withholds
# description: A grant asks for a step-up for a tag, or doesn't give the tag at all.
asks_or_withholds(grant, tag) if grants.step_ups(grant)[tag]

asks_or_withholds(grant, tag) if not tag in grants.given(grant)
