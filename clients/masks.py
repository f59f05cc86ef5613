"""Secrets taken out of what targets answer, before it is kept."""

import re
from collections.abc import Iterable

from sitehub.settings.secrets import MASK

SHORTEST = 4
"""What is shorter would be found everywhere."""
FIELDS = re.compile(
    r'("[^"\n]*(?:auth|cookie|credential|api_?key|pass|secret|signature|token)[^"\n]*"\s*:\s*")(?:[^"\\]|\\.)*("?)',
    re.IGNORECASE,
)


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text without the secrets, and without the values of JSON members whose names speak of one."""
    for secret in sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return FIELDS.sub(rf"\g<1>{MASK}\g<2>", text)
