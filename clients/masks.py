"""Secrets taken out of what targets answer, before it is kept."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

from sitehub.settings.secrets import MASK

SHORTEST = 4
"""What is shorter would be found everywhere."""
FIELDS = re.compile(
    r'("[^"\n]*(?:auth|cookie|credential|api_?key|pass|secret|signature|token)[^"\n]*"\s*:\s*")(?:[^"\\]|\\.)*("?)',
    re.IGNORECASE,
)
_value_at = json.JSONDecoder().raw_decode


def mask(text: str, secrets: Iterable[str], fields: frozenset[str] = frozenset()) -> str:
    """The text without the secrets, as they are or encoded, and without the values of JSON members that hold one.

    Such members are those whose names speak of a secret and those named in `fields`, in any case. The text may have
    been cut anywhere.
    """
    hidden = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
    for form in sorted(hidden, key=len, reverse=True):
        text = text.replace(form, MASK)
    text = FIELDS.sub(rf"\g<1>{MASK}\g<2>", _without_half(text, hidden))
    return "".join(_without_members(text, fields)) if fields else text


def _forms(secret: str) -> tuple[str, ...]:
    return secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]


def _without_half(text: str, hidden: Iterable[str]) -> str:
    """A secret that the cut went through is masked too."""
    for form in hidden:
        for length in range(len(form) - 1, SHORTEST - 1, -1):
            if text.endswith(form[:length]):
                return text[:-length] + MASK
    return text


def _without_members(text: str, fields: frozenset[str]) -> Iterator[str]:
    """The text in pieces; a value that the cut went through is masked to the end."""
    at = 0
    for found in _members(fields).finditer(text):
        if found.start() < at:
            continue  # within a value that is masked as a whole
        yield text[at : found.end()]
        yield f'"{MASK}"'
        try:
            _, at = _value_at(text, found.end())
        except ValueError:
            return
    yield text[at:]


@lru_cache(maxsize=64)
def _members(fields: frozenset[str]) -> re.Pattern[str]:
    return re.compile(rf'"(?:{"|".join(map(re.escape, sorted(fields)))})"\s*:\s*', re.IGNORECASE)
