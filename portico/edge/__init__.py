"""The edge: turns bytes from anyone into a well-formed request of a known caller, or into a refusal."""
