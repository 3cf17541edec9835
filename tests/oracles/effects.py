"""ONE-EFFECT: an accepted command has exactly one effect at the vendor, and all replies to it agree.

Portico has no command that reaches a vendor: until it has, what is expected of every request is no effect at all.
"""

from __future__ import annotations

from collections.abc import Collection


def disputes(effects: Collection[str], replies: Collection[bytes], *, expected: int = 1) -> list[str]:
    """What is wrong with a command's effects and with what its senders were told: empty if nothing is.

    `effects` are the vendor's own ids of what it did, one for each time that it did something.
    """
    wrong = []
    if len(effects) != expected:
        wrong.append(f"{len(effects)} effects instead of {expected}")
    if len(set(replies)) > 1:
        wrong.append(f"{len(set(replies))} different replies")
    return wrong
