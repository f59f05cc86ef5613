"""JSON text to a document, strictly: each key once, no NaN, no text that is not UTF-8, no abyss."""

import json
from typing import Any, NoReturn

from sitehub.settings.mistakes import KeyPath, Mistake, dotted

DEEPEST = 64
"""Levels of objects and lists in a file."""
TOO_DEEP = f"objects and lists nested deeper than {DEEPEST} levels"


class _Object(dict[str, Any]):
    """An object that remembers the keys that came twice."""

    twice: tuple[str, ...] = ()


def parse(text: str, file: str, line: int = 1) -> tuple[Any, list[Mistake]]:
    """The document and its mistakes; None if the text is no JSON. `line` is where the text begins in the file.

    Of a key that stands twice the last value is taken, so that what is wrong with the rest is found too.
    """
    try:
        document = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno + line - 1}, column {error.colno}"
        return None, [Mistake(file, place, error.msg, "JSON")]
    except RecursionError:
        return None, [Mistake(file, "", TOO_DEEP, f"at most {DEEPEST} levels")]
    except ValueError as error:
        return None, [Mistake(file, "", str(error), "JSON")]
    mistakes: list[Mistake] = []
    plain = _plain(document, (), file, mistakes)
    return plain, mistakes


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    fields = _Object(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        fields.twice = tuple(name for name in fields if names.count(name) > 1)
    return fields


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no JSON number")


def _plain(value: Any, path: KeyPath, file: str, mistakes: list[Mistake]) -> Any:
    """The value in plain dicts and lists."""
    if len(path) >= DEEPEST and isinstance(value, dict | list):
        mistakes.append(Mistake(file, dotted(path[:3]), TOO_DEEP, f"at most {DEEPEST} levels"))
        return None
    match value:
        case _Object():
            mistakes += [
                Mistake(file, dotted((*path, name)), f"the key {name!r} twice in one object", "each key once")
                for name in value.twice
            ]
            return {name: _plain(inner, (*path, name), file, mistakes) for name, inner in value.items()}
        case list():
            return [_plain(inner, (*path, place), file, mistakes) for place, inner in enumerate(value)]
        case _:
            return value
