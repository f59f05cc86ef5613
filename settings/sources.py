"""Read configuration files: JSON, folders of JSON, and Markdown whose fenced `json` blocks are the configuration."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sitehub.settings.mistakes import Mistake

FENCE = re.compile(r"^(?P<indent>[ \t]*)```json[ \t]*\n(?P<block>.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)

Origins = dict[tuple[str | int, ...], str]
"""File that gave the value at each path."""


class _DuplicateKeyError(ValueError):
    pass


def read_sources(paths: list[Path]) -> tuple[dict[str, Any], Origins, list[Mistake]]:
    """All files merged, later ones over earlier ones: objects key by key, everything else replaced."""
    document: dict[str, Any] = {}
    origins: Origins = {}
    mistakes: list[Mistake] = []
    for path in paths:
        for file in _files(path, mistakes):
            for line, text in _blocks(file, mistakes):
                name = f"{file}:{line}" if file.suffix == ".md" else str(file)
                block = _parse(text, name, line, mistakes)
                if isinstance(block, dict):
                    _merge(document, block, (), name, origins)
                elif block is not None:
                    mistakes.append(Mistake(name, "", type(block).__name__, "an object with blocks"))
    return document, origins, mistakes


def _files(path: Path, mistakes: list[Mistake]) -> list[Path]:
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            mistakes.append(Mistake(str(path), "", "a folder without .json files", "JSON files, or a Markdown file"))
        return files
    if path.is_file() and path.suffix in (".json", ".md"):
        return [path]
    found = "a file of another kind" if path.exists() else "nothing there"
    mistakes.append(Mistake(str(path), "", found, "a .json or .md file, or a folder of .json files"))
    return []


def _blocks(file: Path, mistakes: list[Mistake]) -> Iterator[tuple[int, str]]:
    """Each JSON text with the line that it begins on."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(Mistake(str(file), "", str(error), "a readable file in UTF-8"))
        return
    if file.suffix == ".json":
        yield 1, text
        return
    for found in FENCE.finditer(text):
        yield text.count("\n", 0, found.start("block")) + 1, textwrap.dedent(found["block"])


def _parse(text: str, name: str, line: int, mistakes: list[Mistake]) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno + line - 1}, column {error.colno}"
        mistakes.append(Mistake(name, place, error.msg, "JSON"))
    except _DuplicateKeyError as error:
        mistakes.append(Mistake(name, "", f"the key {error} twice in one object", "each key once"))
    except ValueError as error:
        mistakes.append(Mistake(name, "", str(error), "JSON"))
    return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise _DuplicateKeyError(repr(key))
        fields[key] = value
    return fields


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _merge(
    into: dict[str, Any], block: dict[str, Any], path: tuple[str | int, ...], name: str, origins: Origins
) -> None:
    for key, value in block.items():
        here = (*path, key)
        origins[here] = name
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value, here, name, origins)
        elif isinstance(value, dict):
            into[key] = {}
            _merge(into[key], value, here, name, origins)
        else:
            into[key] = value
