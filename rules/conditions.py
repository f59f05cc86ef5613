"""Conditions that a rule may name."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

Condition = Callable[[AbstractSet[str], AbstractSet[str]], bool]
"""Given the names that an event changed and those that feed the target, whether the rule applies."""


def billing_relevant_fields_changed(changed: AbstractSet[str], feeding: AbstractSet[str]) -> bool:
    """Whether the event changed the value of a field that feeds a mapping or a template of the target."""
    return not changed.isdisjoint(feeding)


CONDITIONS: dict[str, Condition] = {"billing_relevant_fields_changed": billing_relevant_fields_changed}
