"""Dead letters: the record untouched, with headers that say why and where it came from."""

from collections.abc import Sequence

import msgspec

from sitehub.rules.failure import Failure

PREFIX = "dead-letter."
ERROR_CHARACTERS = 2_400
"""Of an error text are kept: it may quote the record, which must fit beside it, or a target's answer of 2 KiB."""
MAX_DIGITS = 19
"""Of a 64-bit number."""


class DeadLetter(msgspec.Struct, frozen=True):
    """What the headers of a dead letter say; the original place in `topic`, `partition` and `offset`."""

    stage: str
    reason: str
    error: str
    topic: str
    partition: int
    offset: int
    time: str
    attempts: int
    target: str


def dead_letter_headers(
    failure: Failure,
    *,
    topic: str,
    partition: int,
    offset: int,
    time: str,
    attempts: int = 0,
    target: str = "",
) -> list[tuple[str, bytes]]:
    """Headers to put behind the record's own."""
    fields = {
        "stage": failure.stage,
        "reason": failure.reason,
        "error": failure.error[:ERROR_CHARACTERS],
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "time": time,
        "attempts": str(attempts),
        "target": target,
    }
    return [(PREFIX + name, text.encode("utf-8", "replace")) for name, text in fields.items()]


def read_dead_letter(headers: Sequence[tuple[str, bytes | None]]) -> DeadLetter:
    """What the hub wrote last: a letter that died again carries two sets of headers."""
    found = {
        name.removeprefix(PREFIX): (value or b"").decode("utf-8", "replace")
        for name, value in headers
        if name.startswith(PREFIX)
    }
    return DeadLetter(
        stage=found.get("stage", ""),
        reason=found.get("reason", ""),
        error=found.get("error", ""),
        topic=found.get("topic", ""),
        partition=_number(found.get("partition")),
        offset=_number(found.get("offset")),
        time=found.get("time", ""),
        attempts=_number(found.get("attempts")),
        target=found.get("target", ""),
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else 0
