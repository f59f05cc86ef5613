"""Statements of the hub, one a file."""

from functools import cache
from importlib import resources


@cache
def statement(name: str) -> str:
    """The text of `<name>.sql`."""
    return resources.files("sitehub.stores.postgres.sql").joinpath(f"{name}.sql").read_text(encoding="utf-8")
