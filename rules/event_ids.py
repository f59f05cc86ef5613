"""The ids of the events that a site has seen last, in one text: a list of them is slower to read and twice as long."""

import re
from binascii import a2b_base64, b2a_base64
from functools import lru_cache

LIMIT = 64
"""Ids that are remembered."""
is_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
PACKED_LENGTH = 22
"""Characters of a UUID's 16 bytes in base 64. Whatever else is an id has a colon in front."""
ESCAPES = {"\\": "\\\\", " ": "\\s"}
UNESCAPED = {escape: text for text, escape in ESCAPES.items()}


def contains(event_ids: str, event_id: str) -> bool:
    """Whether `event_id` is among them."""
    return f" {_packed(event_id)} " in event_ids


def remember(event_ids: str, event_id: str) -> str:
    """With `event_id` as the newest; the oldest is forgotten beyond the limit."""
    longer = f"{event_ids or ' '}{_packed(event_id)} "
    return longer if longer.count(" ") <= LIMIT + 1 else longer[longer.index(" ", 1) :]


def unpack(event_ids: str) -> list[str]:
    """The ids as they came, oldest first."""
    return [_unpacked(packed) for packed in event_ids.split(" ") if packed]


@lru_cache(maxsize=1)  # asked for an event twice: whether it is there, and to put it there
def _packed(event_id: str) -> str:
    if is_uuid(event_id):
        return b2a_base64(bytes.fromhex(event_id.replace("-", "")))[:PACKED_LENGTH].decode()
    if "\\" in event_id or " " in event_id:
        event_id = "".join(ESCAPES.get(character, character) for character in event_id)
    return f":{event_id}"


def _unpacked(packed: str) -> str:
    if not packed.startswith(":"):
        digits = a2b_base64(f"{packed}==").hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    return re.sub(r"\\.", lambda found: UNESCAPED[found[0]], packed[1:])
