"""The configuration of one process, with what its environment adds."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitehub.settings.root import Configuration
from sitehub.settings.secrets import is_placeholder, read_secret_file


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker knows when it starts. Its `repr` shows no secrets."""

    configuration: Configuration = field(repr=False)
    document: dict[str, Any] = field(repr=False)
    """The merged files as they are written, placeholders in place of secrets."""
    config_id: str
    """Hash of the effective configuration without its secrets: recorded with each decision."""
    secrets: dict[str, str] = field(repr=False)
    """What the environment gives, by dotted path."""
    missing_secrets: tuple[str, ...]
    """Dotted paths of placeholders that the environment gives no value for: what needs them is off."""
    app_id: str
    """Consumer group, and prefix of changelogs."""
    data: Path
    """Folder of this worker."""
    secret_files: dict[str, Path] = field(default_factory=dict, repr=False)
    """Files of those secrets that stand in files."""

    def secret(self, *path: str) -> str | None:
        """The secret at a dotted path, or at one in several parts; None if it is missing or not configured.

        What is written in the configuration in place of a placeholder is the secret itself.
        """
        whole = ".".join(path)
        if whole in self.secrets:
            return self.secrets[whole]
        value = _at(self.document, whole)
        return None if value is None or is_placeholder(value) else str(value)

    def live_secret(self, *path: str) -> Callable[[], str] | None:
        """Gives the secret as it is now, also after its file has changed; None as `secret`.

        A file that is away for a moment, or empty, while it is replaced leaves the secret as it was.
        """
        if (value := self.secret(*path)) is None:
            return None
        file = self.secret_files.get(".".join(path))
        return _LiveSecret(file, value).get if file is not None else lambda: value


class _LiveSecret:
    def __init__(self, file: Path, value: str) -> None:
        self._file, self._value = file, value
        self._seen = -1

    def get(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            seen = self._file.stat().st_mtime_ns
            if seen != self._seen:
                self._value = read_secret_file(self._file) or self._value
                self._seen = seen
        return self._value


def _at(value: Any, path: str) -> Any:
    """What stands at a dotted path; keys may have dots of their own."""
    if not path:
        return value
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        if path == str(key):
            return inner
        if path.startswith(f"{key}.") and (found := _at(inner, path[len(str(key)) + 1 :])) is not None:
            return found
    return None
