"""Nulls in documents, which some targets take for "forget it", others for a mistake."""

from collections.abc import Iterator
from typing import Any


def without_nulls(value: Any) -> Any:
    """The JSON value without members that are null; those of lists stay, because their places mean something."""
    match value:
        case dict():
            return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
        case list():
            return [without_nulls(inner) for inner in value]
        case _:
            return value


def null_places(value: Any, place: str = "") -> Iterator[str]:
    """Dotted path of each null."""
    match value:
        case None:
            yield place
        case dict():
            for name, inner in value.items():
                yield from null_places(inner, f"{place}.{name}" if place else name)
        case list():
            for number, inner in enumerate(value):
                yield from null_places(inner, f"{place}.{number}" if place else str(number))
