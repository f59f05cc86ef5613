"""What a key takes, in the words in which a mistake tells what is allowed."""

from collections.abc import Callable, Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator
from pydantic.fields import FieldInfo

from sitehub.settings.faults import ALLOWED
from sitehub.settings.model import Block

PLAIN = {int: "int_type", float: "float_type", str: "string_type", bool: "bool_type"}
LIMITS = {
    "gt": "greater_than",
    "ge": "greater_than_equal",
    "lt": "less_than",
    "le": "less_than_equal",
    "min_length": "string_too_short",
    "pattern": "string_pattern_mismatch",
}
"""Attributes of pydantic's limits, and what a mistake against each is called."""


def value_words(annotation: Any, limits: Iterable[Any], block_words: Callable[[type[Block]], str]) -> str:
    """Type and range of a value. `limits` are the metadata of the key, `block_words` tells of a block within."""

    def words(inner: Any, limits: Iterable[Any] = ()) -> str:
        return value_words(inner, limits, block_words)

    kind, parts, limits = get_origin(annotation), get_args(annotation), [*_flat(limits)]
    if kind is Annotated:
        return words(parts[0], [*limits, *_flat(parts[1:])])
    if kind in {Union, UnionType}:
        return " or ".join(words(part, limits) for part in parts if part is not NoneType)
    if kind is list:
        filled = any(getattr(limit, "min_length", 0) for limit in limits)
        return f"{ALLOWED['too_short' if filled else 'list_type']}, each {words(parts[0])}"
    if kind is dict:
        return f"{ALLOWED['dict_type']}, each key {words(parts[0])}, each value {words(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Block):
        return block_words(annotation)
    return _plain(annotation, limits)


def _plain(annotation: Any, limits: list[Any]) -> str:
    if annotation is Any:
        return "any JSON value"
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(f'`{choice}`' for choice in get_args(annotation))}"
    told = [_limit_words(limit) for limit in limits]
    if annotation is str and told:
        return told[0]
    return ", ".join([ALLOWED[PLAIN[annotation]], *told])


def _limit_words(limit: Any) -> str:
    if isinstance(limit, AfterValidator):
        return _refusal(limit.func)
    for name, kind in LIMITS.items():
        if (value := getattr(limit, name, None)) is not None:
            return ALLOWED[kind].format(**{name: f"`{value}`" if name == "pattern" else value})
    raise TypeError(f"no words for the limit {limit}")


def _refusal(check: Callable[..., Any]) -> str:
    """What a check of a text says is allowed: no shape takes the empty text, and each says why."""
    try:
        check("")
    except ValueError as refusal:
        return str(refusal)
    raise TypeError(f"{check} takes the empty text: it does not say what it allows")


def _flat(limits: Iterable[Any]) -> Iterator[Any]:
    for limit in limits:
        if isinstance(limit, FieldInfo):
            yield from _flat(limit.metadata)
        else:
            yield limit
