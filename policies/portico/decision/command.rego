package portico.decision

# METADATA
# title: Command
# description: Whether a command may be run. None is known yet, so every one is refused.
# entrypoint: true
# scope: document
# custom:
#   reason: unknown_command
#   effective_on: 2025-01-01
default command := {"effect": "deny", "reason": "unknown_command", "obligations": []}
