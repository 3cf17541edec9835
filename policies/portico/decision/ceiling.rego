# METADATA
# title: Decisions
# description: The entry points that Portico asks. Everything they depend on is input or data, so each can be replayed.
package portico.decision

import data.portico.grants

# METADATA
# title: Ceiling
# description: >-
#   What could ever be released of each selected type, whoever the patient is: what lies above is never asked of a
#   source. Where an exception makes a field's answer differ from its tag's, the field is answered by name.
# entrypoint: true
# scope: document
# schemas:
#   - input: schema["ceiling.input"]
# custom:
#   guideline: 45 CFR 164.502(b)
#   effective_on: 2025-01-01
ceiling := {type: {"tags": tags, "coordinates": coordinates} |
	some type, selected in input.types
	seeing := grants.seeing(type)
	tags := {tag | some grant in seeing; some tag in grants.given(grant)}
	excepted := {coordinate | some grant in seeing; some coordinate in grants.excepted(grant)}
	coordinates := {coordinate: reachable |
		some coordinate in (excepted & object.keys(selected))
		tag := selected[coordinate]
		by_tag := tag in tags
		reachable := within_reach(coordinate, tag, seeing)
		reachable != by_tag
	}
}

# METADATA
# title: Within reach
# description: Whether some row could release a coordinate, by an exception or by its tag.
within_reach(coordinate, tag, seeing) if {
	some grant in seeing
	coordinate in grants.released_fields(grant)
} else if {
	some grant in seeing
	tag in grants.given(grant)
	not grants.denied_fields(grant)[coordinate]
} else := false
