"""Secrets: placeholders in the configuration, values in the environment or in files that it names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sitehub.settings.mistakes import Mistake
from sitehub.settings.root import is_placeholder

PREFIX = "SITEHUB_SECRET_"
MASK = "***"
SECRET_NAMES = frozenset(
    {"password", "sasl_password", "client_secret", "api_key", "token", "secret", "integration_key", "key_hash"}
)

Path_ = tuple[str, ...]


def variable(path: Path_) -> str:
    """Name of the environment variable of the secret at `path`."""
    return PREFIX + "__".join(path).upper()


def read_secrets(
    document: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[Path_, str], list[Path_], list[Mistake]]:
    """Values of the secrets that the environment gives, paths of those that it lacks, and files that can't be read.

    A variable overrides what is written in the configuration, placeholder or not.
    """
    secrets: dict[Path_, str] = {}
    missing: list[Path_] = []
    mistakes: list[Mistake] = []
    for path, value in _secret_places(document):
        name = variable(path)
        if name in environ:
            secrets[path] = environ[name]
        elif (file := environ.get(f"{name}_FILE")) is not None:
            try:
                secrets[path] = Path(file).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                mistakes.append(Mistake(f"${name}_FILE", ".".join(path), str(error), "a readable file in UTF-8"))
        elif is_placeholder(value):
            missing.append(path)
    return secrets, missing, mistakes


def masked(document: Any, path: Path_ = ()) -> Any:
    """The document with a mask in place of every secret."""
    if isinstance(document, dict):
        return {key: masked(value, (*path, key)) for key, value in document.items()}
    if isinstance(document, list):
        return [masked(value, path) for value in document]
    return MASK if isinstance(document, str) and _is_secret(path, document) else document


def _secret_places(document: Mapping[str, Any], path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    for key, value in document.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield from _secret_places(value, here)
        elif isinstance(value, str) and _is_secret(here, value):
            yield here, value


def _is_secret(path: Path_, value: str) -> bool:
    return is_placeholder(value) or (bool(path) and path[-1] in SECRET_NAMES)
