package portico.decision

import data.portico.grants
import data.portico.vocabulary

# METADATA
# title: Classes
# description: >-
#   What is released of records of each class. A class shows only if everything about it is understood and at least one
#   grant covers it; the grants that cover it are united.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema["classes.input"]
# custom:
#   guideline: 45 CFR 164.502(b), 45 CFR 164.510(b)
#   effective_on: 2025-01-01
classes := {key: answer(class) | some key, class in input.classes}

# METADATA
# title: Answer
# description: A class's answer; visible only on positive grounds.
answer(class) := released(class.type, covering) if {
	class.tenant == "match"
	count(class.consent) == 0
	every relationship in class.relationships { vocabulary.relationships[relationship] }
	covering := cleared(class, related(class))
	count(covering) > 0
} else := {"visible": false, "allow": [], "mask": {}, "deny": {}, "overrides": {}, "reason": objection(class)}

# METADATA
# title: Objection
# description: Why a class does not show; told to the audit trail alone.
objection(class) := "other_tenant" if {
	class.tenant != "match"
} else := "unknown_consent" if {
	count(class.consent) > 0
} else := "unknown_relationship" if {
	some relationship in class.relationships
	not vocabulary.relationships[relationship]
} else := "purpose_not_permitted" if {
	count(grants.held) == 0
} else := "type_not_permitted" if {
	count(grants.seeing(class.type)) == 0
} else := "no_relationship" if {
	count(related(class)) == 0
} else := "label_not_cleared" if {
	count(cleared(class, related(class))) == 0
} else := "not_understood"

# METADATA
# title: Related
# description: The grants that see a class's type and ask for no relationship, or for one that the class has.
related(class) := {grant |
	some grant in grants.seeing(class.type)
	concerns(grant, class.relationships)
}

# METADATA
# title: Concerns
# description: A grant concerns the records of anyone, or those of patients in one of its relationships.
concerns(grant, _) if grant.of == "anyone"

concerns(grant, relationships) if {
	some relationship in relationships
	relationship in grants.relationships(grant)
}

# METADATA
# title: Cleared
# description: The grants that are cleared for every label of a class.
# custom:
#   guideline: HL7 Healthcare Privacy and Security Classification System
cleared(class, candidates) := {grant |
	some grant in candidates
	every label in class.labels { label in grants.labels(grant) }
}

# METADATA
# title: Released
# description: The union of grants, tag by tag; a tag that one grant allows and another masks is allowed.
released(type, covering) := {
	"visible": true,
	"allow": allowed,
	"mask": masked,
	"deny": {tag: tag_refusal(tag, proposed) |
		some tag, _ in vocabulary.tags
		not tag in allowed
		not masked[tag]
	},
	"overrides": {coordinate: strictest(coordinate, covering) | some coordinate in exceptions(type, covering)},
} if {
	allowed := {tag | some grant in covering; some tag in grant.allow}
	proposed := {tag: masks |
		some grant in covering
		some tag, _ in grants.masks(grant)
		not tag in allowed
		masks := {mask | some other in covering; mask := grants.masks(other)[tag]}
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
exceptions(type, covering) := {coordinate |
	some grant in covering
	some coordinate in (grants.released_fields(grant) | object.keys(grants.denied_fields(grant)))
	startswith(coordinate, sprintf("%s.", [type]))
}

# METADATA
# title: Strictest
# description: What the grants' exceptions for a coordinate come to. Denial outweighs masks, a mask outweighs release.
strictest(coordinate, covering) := {"effect": "deny", "reason": min(reasons)} if {
	reasons := {reason | some grant in covering; reason := grants.denied_fields(grant)[coordinate]}
	count(reasons) > 0
} else := {"effect": "deny", "reason": "conflicting_masks"} if {
	count(field_masks(coordinate, covering)) > 1
} else := {"effect": "mask", "mask": mask} if {
	some mask in field_masks(coordinate, covering)
} else := {"effect": "allow"}

# METADATA
# title: Masks of a field
# description: The masks that the grants' exceptions name for a coordinate.
field_masks(coordinate, covering) := {mask | some grant in covering; mask := grants.masked_fields(grant)[coordinate]}
