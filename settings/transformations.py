"""The transformations that mappings may name: the hub's own, and those that installed distributions bring."""

from functools import cache
from importlib.metadata import entry_points

from sitehub.rules.transformations import TRANSFORMATIONS, Transformation
from sitehub.settings.mistakes import Mistake

GROUP = "sitehub.transformations"
"""Entry points: name of the transformation, and a function from a JSON value to a JSON value."""


def transformations() -> dict[str, Transformation]:
    """By name."""
    return _load()[0]


def broken_transformations() -> list[Mistake]:
    """Entry points that can't be used, and why."""
    return _load()[1]


@cache
def _load() -> tuple[dict[str, Transformation], list[Mistake]]:
    """Once a process: what is installed does not change under a worker."""
    found, mistakes = dict(TRANSFORMATIONS), list[Mistake]()
    for point in entry_points(group=GROUP):
        place = f"entry point {point.name} of {point.dist.name if point.dist else 'an unknown distribution'}"
        if point.name in found:
            mistakes.append(Mistake(place, GROUP, f"the name {point.name!r} again", "a name that nothing else has"))
            continue
        try:
            function = point.load()
        except Exception as error:  # noqa: BLE001 -- a module of somebody else may raise anything
            mistakes.append(Mistake(place, GROUP, f"{type(error).__name__}: {error}", "a module that can be imported"))
            continue
        if not callable(function):
            mistakes.append(Mistake(place, GROUP, f"a {type(function).__name__}", "a function of one JSON value"))
            continue
        found[point.name] = function
    return found, mistakes
