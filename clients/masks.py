"""Secrets taken out of what targets answer, before it is kept."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from sitehub.clients.escapes import Layer, layers
from sitehub.settings.secrets import MASK

SHORTEST = 4
"""What is shorter would be found everywhere."""
SENSITIVE_NAME = r'[^"\n]*(?:auth|cookie|credential|api[_-]?key|pass|secret|signature|token)[^"\n]*'
SCALAR = re.compile(r'"(?:[^"\\]|\\.)*"?|-?[0-9][-+.0-9eE]*', re.DOTALL)
"""A text, though the cut went through it, or a number."""
_value_at = json.JSONDecoder(strict=False).raw_decode


def mask(text: str, secrets: Iterable[str], fields: frozenset[str] = frozenset()) -> str:
    """The text without the secrets, as they are or encoded, and without the values of JSON members that hold one.

    Such members are those whose names speak of a secret, unless they say yes, no or nothing, and those named in
    `fields`, in any case. The text may have been cut anywhere.
    """
    shown = "".join(_without_members(text, fields))
    hidden = {form for secret in secrets if len(secret) >= SHORTEST for form in (secret, secret.replace(" ", "+"))}
    if not hidden:
        return shown
    found = sorted(span for layer in layers(shown) for secret in hidden for span in _spans(layer, secret))
    return "".join(_without_spans(shown, found)) if found else shown


def _spans(layer: Layer, secret: str) -> Iterator[tuple[int, int]]:
    """Where the secret stands, or its beginning if the cut went through it."""
    at = layer.text.find(secret)
    while at >= 0:
        yield layer.span(at, at + len(secret))
        at = layer.text.find(secret, at + len(secret))
    for length in range(min(len(secret) - 1, len(layer.text)), SHORTEST - 1, -1):
        if layer.text.endswith(secret[:length]):
            yield layer.span(len(layer.text) - length)
            return


def _without_spans(text: str, found: list[tuple[int, int]]) -> Iterator[str]:
    at = 0
    for start, end in found:
        if start >= at:
            yield text[at:start]
            yield MASK
        at = max(at, end)
    yield text[at:]


def _without_members(text: str, fields: frozenset[str]) -> Iterator[str]:
    at = 0
    for found in _members(fields).finditer(text):
        if found.start() < at:
            continue  # within a value that is masked as a whole
        end = _end_of_value(text, found.end(), is_named=found["configured"] is not None)
        if end is not None:
            yield text[at : found.end()]
            yield f'"{MASK}"'
            at = end
    yield text[at:]


def _end_of_value(text: str, at: int, *, is_named: bool) -> int | None:
    """Where the value ends, at the text's end if that can't be told; None if it may be shown.

    Of a member that only sounds like a secret that is true, false, null, and what is no JSON.
    """
    if (scalar := SCALAR.match(text, at)) is not None:
        return scalar.end()
    if not is_named and text[at : at + 1] not in {"[", "{"}:
        return None
    try:
        return _value_at(text, at)[1]
    except (ValueError, RecursionError):
        return len(text)


@lru_cache(maxsize=64)
def _members(fields: frozenset[str]) -> re.Pattern[str]:
    configured = "|".join(map(re.escape, sorted(fields))) or r"(?!)"
    return re.compile(rf'"(?:(?P<configured>{configured})|{SENSITIVE_NAME})"\s*:\s*', re.IGNORECASE)
