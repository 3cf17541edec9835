"""The graph: every type and field that clients see, and how a document becomes an answer."""
