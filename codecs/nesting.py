"""How deep a JSON text is nested, found without parsing it."""

import re

MAX_DEPTH = 64
TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Up to its end, or to that of the value: it always matches, so that no quote is looked at twice."""
OPENING = frozenset(b"{[")
CLOSING = frozenset(b"}]")


def is_too_deep(value: bytes) -> bool:
    """Whether objects and arrays are nested deeper than MAX_DEPTH; counted only where there are enough brackets."""
    if value.count(b"{") + value.count(b"[") <= MAX_DEPTH:
        return False
    depth = 0
    for byte in TEXT.sub(b"", value):
        if byte in OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in CLOSING:
            depth -= 1
    return False
