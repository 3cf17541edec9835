# METADATA
# title: Grants
# description: The rows of the role x purpose matrix that a principal holds for the purpose of the request.
package portico.grants

import data.portico.matrix

# METADATA
# title: Grants held
# description: >-
#   Every row that one of the principal's roles gives for the purpose, by its place in the matrix, if the token permits
#   the purpose, the role is meant for this kind of principal, and nothing but reading is asked for. Unknown roles and
#   purposes give nothing.
# scope: rule
# schemas:
#   - input: schema["classes.input"]
#   - data.portico.matrix: schema.portico.matrix
held[[name, index]] := grant if {
	not beyond_reading
	input.purpose in input.principal.purposes
	some name in input.principal.roles
	role := matrix[name]
	role.kind == input.principal.kind
	some index, grant in role.purposes[input.purpose]
}

# METADATA
# title: Beyond reading
# description: Something other than reading is asked for; rows of the matrix are about reading alone.
beyond_reading if input.action != "read"

# METADATA
# title: Grants seeing a type
# description: The held rows that see records of a type, by their place.
seeing(type) := {place: grant |
	some place, grant in held
	type in grant.see
}

# METADATA
# title: Tags given
# description: The tags that a row releases, masked or not.
given(grant) := {tag | some tag in grant.allow} | object.keys(masks(grant))

# METADATA
# title: Tags masked
# description: The tags that a row releases through a mask, each with the mask.
masks(grant) := object.get(grant, "mask", {})

# METADATA
# title: Relationships asked for
# description: The relationships of which one must exist to the patient; none where the row is about anyone.
relationships(grant) := {relationship | some relationship in grant.of}

# METADATA
# title: Labels cleared
# description: The sensitivity labels that the row is cleared for.
labels(grant) := {label | some label in object.get(grant, "labels", [])}

# METADATA
# title: Step-ups
# description: The tags and fields that the row releases only after a certain authentication, each with it.
step_ups(grant) := object.get(grant, "step_up", {})

# METADATA
# title: Fields allowed by exception
# description: The coordinates that a row releases whatever their tag.
allowed_fields(grant) := {coordinate | some coordinate in object.get(grant, ["except", "allow"], [])}

# METADATA
# title: Fields masked by exception
# description: The coordinates that a row masks whatever their tag, each with the mask.
masked_fields(grant) := object.get(grant, ["except", "mask"], {})

# METADATA
# title: Fields denied by exception
# description: The coordinates that a row withholds whatever their tag, each with the reason.
denied_fields(grant) := object.get(grant, ["except", "deny"], {})

# METADATA
# title: Fields excepted
# description: The coordinates that a row treats otherwise than their tag.
excepted(grant) := (allowed_fields(grant) | object.keys(masked_fields(grant))) | object.keys(denied_fields(grant))

# METADATA
# title: Fields released by exception
# description: The coordinates that a row allows or masks and does not deny, whatever their tag.
released_fields(grant) := released - object.keys(denied_fields(grant)) if {
	released := allowed_fields(grant) | object.keys(masked_fields(grant))
}
