"""What pydantic says, as mistakes with the paths that files have."""

import json
import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from sitehub.settings.blocks import GATHERED
from sitehub.settings.merge import Merged
from sitehub.settings.mistakes import KeyPath, Mistake, nearest
from sitehub.settings.secrets import MASK, is_secret_place, masked

LONGEST = 200
"""Characters of a found value that are shown."""
USER = re.compile(r'(https?://)[^\s"]*@')
"""User and password in an address, which may hold whatever was not percent-encoded."""
MEANT = 0.85
"""Likeness of names that differ by a slip."""
ALLOWED = {
    "missing": "this key is needed",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "bool_type": "true or false",
    "list_type": "a list",
    "too_short": "a list that is not empty",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_pattern_mismatch": "a text that fits {pattern}",
    "value_error": "{error}",
}


def mistakes_of(errors: Iterable[ErrorDetails], root: type[BaseModel], merged: Merged) -> list[Mistake]:
    """One mistake for each error."""
    return [_mistake(error, root, merged) for error in errors]


def _mistake(error: ErrorDetails, root: type[BaseModel], merged: Merged) -> Mistake:
    location, kind = error["loc"], error["type"]
    path = _as_in_files(location)
    if kind == "extra_forbidden":
        key, known = str(location[-1]), _keys_of(_model_at(root, location[:-1]))
        if len(location) == 1:
            known = {*(known - GATHERED.keys()), *(name for name in merged.document if name.endswith(_SUFFIXES))}
        return _told(
            merged, path, f"the unknown key {key!r}", f"one of {', '.join(sorted(known))}", nearest(key, known)
        )
    if kind == "missing":
        return _told(merged, path, "nothing", ALLOWED[kind], _meant(str(path[0]), merged))
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected"])
        allowed = f"one of {', '.join(choices)}"
        return _told(merged, path, _shown(error["input"], path), allowed, nearest(str(error["input"]), choices))
    if location[-1:] == ("[key]",):
        return _told(merged, path[:-1], f"the key {location[-2]!r}", _allowed(error))
    return _told(merged, path, _shown(error["input"], path), _allowed(error))


_SUFFIXES = tuple(GATHERED.values())


def _meant(block: str, merged: Merged) -> str | None:
    """Name of the target's block that an incomplete one was meant to be laid over."""
    if not block.endswith(_SUFFIXES):
        return None
    return nearest(block, {name for name in merged.document if name.endswith(_SUFFIXES)} - {block}, MEANT)


def _told(merged: Merged, path: KeyPath, found: str, allowed: str, suggestion: str | None = None) -> Mistake:
    return Mistake(merged.file_of(path), ".".join(map(str, path)), found, allowed, suggestion)


def _allowed(error: ErrorDetails) -> str:
    template = ALLOWED.get(error["type"])
    return error["msg"] if template is None else template.format(**error.get("ctx", {}))


def _shown(value: Any, path: KeyPath) -> str:
    """The value as JSON, cut, without secrets: also not where something else stands in a secret's place."""
    if is_secret_place(path) and value is not None:
        return "something else in the place of a secret"
    text = USER.sub(rf"\1{MASK}@", json.dumps(masked(value, path), ensure_ascii=False))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _as_in_files(location: tuple[int | str, ...]) -> KeyPath:
    match location:
        case [str(place), str(name), *rest] if place in GATHERED:
            return (f"{name}{GATHERED[place]}", *rest)
        case _:
            return location


def _model_at(root: type[BaseModel], location: tuple[int | str, ...]) -> Any:
    at: Any = root
    for key in location:
        if isinstance(at, type) and issubclass(at, BaseModel):
            fields = {info.alias or name: info.annotation for name, info in at.model_fields.items()}
            at = _inner(fields.get(str(key)))
        else:
            at = _inner(get_args(at)[-1])  # of a list or dict: what it holds
    return at


def _inner(annotation: Any) -> Any:
    """The type without `| None`."""
    return (
        next((one for one in get_args(annotation) if one is not type(None)), annotation)
        if (type(None) in get_args(annotation))
        else annotation
    )


def _keys_of(model: type[BaseModel]) -> set[str]:
    return {info.alias or name for name, info in model.model_fields.items()}
