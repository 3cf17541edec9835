"""The demo's own identity provider: signs a token for whichever persona is asked for. For synthetic people only."""
