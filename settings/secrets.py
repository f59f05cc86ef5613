"""Secrets: placeholders in the configuration, values in the environment or in files that it names."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitehub.settings.blocks import SUFFIX
from sitehub.settings.mistakes import KeyPath, Mistake, dotted
from sitehub.settings.target_authentication import NEEDED_KEYS, OPTIONAL_KEYS

PREFIX = "SITEHUB_SECRET_"
MASK = "***"
PLACEHOLDER = re.compile(r"\[encrypted_[^\]]*\]")
ELIDED = "/..."
"""How an address ends whose secret part is left out."""
MASKED_QUERY = f"?{MASK}"
"""How one ends whose query may hold a secret."""
ADDRESS_KEYS = frozenset({"token_endpoint"})
"""Addresses whose query may hold a secret."""
SECRET_KEYS = frozenset(
    {
        "password",
        "sasl_password",
        "client_secret",
        "api_key",
        "token",
        "secret",
        "integration_key",
        "webhook_url",
        "key_hash",
    }
)
FREE_KEYS = frozenset({"headers", "query", "token_parameters"})
"""Blocks whose keys are the user's."""
SENSITIVE = re.compile(r"assertion|auth|cookie|credential|key|pass|secret|signature|token", re.IGNORECASE)
"""What such a key is called if its value is a secret."""
NO_SECRETS = frozenset({"event_schemas", "realtime_sync_rules"})
"""Blocks that hold documents of the user: a key called token is none of ours there."""


@dataclass(slots=True)
class Secrets:
    """What the environment gives, by dotted path."""

    values: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    """Where the values come from that stand in files."""
    missing: list[str] = field(default_factory=list)
    """Placeholders without a value that their block needs."""
    mistakes: list[Mistake] = field(default_factory=list)


def variable(path: KeyPath) -> str:
    """Name of the environment variable of the secret at `path`; with `_FILE` behind it, of the file that holds it."""
    return PREFIX + "__".join(re.sub(r"\W", "_", str(key)) for key in path).upper()


def is_placeholder(value: object) -> bool:
    """Whether a value stands for a secret of the environment: `[encrypted_api_key]`, an elided address, a mask."""
    return isinstance(value, str) and (
        PLACEHOLDER.fullmatch(value) is not None or value == MASK or value.endswith((ELIDED, MASKED_QUERY))
    )


def is_secret_place(path: KeyPath) -> bool:
    """Whether what stands at `path` is a secret by its name, in a list or alone."""
    *_, block, key = "", "", *(key for key in path if isinstance(key, str))
    if path[:1] and path[0] in NO_SECRETS:
        return False
    return key in SECRET_KEYS or (block in FREE_KEYS and SENSITIVE.search(key) is not None)


def read_secrets(document: dict[str, Any], environ: Mapping[str, str]) -> Secrets:
    """Values of the document's secrets. A variable overrides what is written, placeholder or not; empty is missing."""
    secrets = Secrets()
    for path, value in _places(document, ()):
        name = variable(path)
        given = environ.get(name) or _from_file(name, path, environ, secrets.mistakes)
        if given:
            secrets.values[dotted(path)] = given
            if not environ.get(name):
                secrets.files[dotted(path)] = Path(environ[f"{name}_FILE"])
        elif is_placeholder(value) and _needed(document, path):
            secrets.missing.append(dotted(path))
    return secrets


def masked(value: Any, path: KeyPath = ()) -> Any:
    """The value, which stands at `path`, with a mask in place of every secret in it."""
    match value:
        case dict():
            return {key: masked(inner, (*path, key)) for key, inner in value.items()}
        case list():
            return [masked(inner, (*path, place)) for place, inner in enumerate(value)]
        case str() if value.endswith(ELIDED) or not _is_secret(path, value):
            return value
        case str() if _has_query(path, value) and not is_secret_place(path):
            return f"{value.partition('?')[0]}{MASKED_QUERY}"
        case _ if isinstance(value, str) or (value is not None and is_secret_place(path)):
            return MASK
        case _:
            return value


def read_secret_file(path: Path) -> str:
    """Its text without the ends of its last line; raises OSError and ValueError."""
    return path.read_text(encoding="utf-8").rstrip("\r\n")


def _from_file(name: str, path: KeyPath, environ: Mapping[str, str], mistakes: list[Mistake]) -> str | None:
    if not (file := environ.get(f"{name}_FILE")):
        return None
    try:
        return read_secret_file(Path(file))
    except (OSError, ValueError) as error:
        mistakes.append(Mistake(f"${name}_FILE", dotted(path), str(error), "a readable file in UTF-8"))
        return None


def _places(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    match value:
        case dict():
            for key, inner in value.items():
                yield from _places(inner, (*path, key))
        case list():
            for place, inner in enumerate(value):
                yield from _places(inner, (*path, place))
        case str() if _is_secret(path, value):
            yield path, value


def _is_secret(path: KeyPath, value: str) -> bool:
    if not path or path[0] in NO_SECRETS:
        return False
    return is_secret_place(path) or PLACEHOLDER.fullmatch(value) is not None or _has_query(path, value)


def _has_query(path: KeyPath, value: str) -> bool:
    return bool(path) and path[-1] in ADDRESS_KEYS and "?" in value


def _needed(document: dict[str, Any], path: KeyPath) -> bool:
    """Whether the block uses the secret as it is set: a login that is off needs none."""
    match path:
        case (str(block), "authentication", str(key), *_) if block.endswith(SUFFIX):
            kind = document[block]["authentication"].get("type")
            if not isinstance(kind, str):
                return True
            return key in NEEDED_KEYS.get(kind, (key,)) or key in OPTIONAL_KEYS.get(kind, ())
        case ("kafka_config", "sasl_password"):
            return str(document["kafka_config"].get("security_protocol")).startswith("SASL")
        case ("oauth_config", *_):
            authentication = document.get("authentication")
            return not isinstance(authentication, dict) or authentication.get("type", "oauth2") == "oauth2"
        case _:
            return True
