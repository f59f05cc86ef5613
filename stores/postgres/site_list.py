"""Lists of sites, page by page, from the read model."""

import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from sitehub.stores.postgres.site_rows import LONGEST_FILTER
from sitehub.stores.postgres.sql import statement
from sitehub.stores.postgres.storable import storable_text

PATTERN_CHARACTERS = re.compile(r"([\\%_])")

Fetch = Callable[..., Awaitable[list[Any]]]
"""Rows of a statement with its values: `Pools.fetch`, so that the replica answers."""


class CursorError(ValueError):
    """The cursor is none that a page gave."""


class _Cursor(msgspec.Struct, array_like=True):
    updated_at: datetime
    site_id: str


@dataclass(frozen=True, slots=True)
class SiteFilter:
    """What the sites of a list have in common; None: anything. Without a status those that are not deleted."""

    territory_id: str | None = None
    status: str | None = None
    name: str | None = None
    """Text somewhere in the name, in whatever case."""
    updated_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some sites by time of change, then id; the cursor of the next, None behind the last."""

    sites: list[dict[str, Any]]
    next: str | None


async def list_sites(fetch: Fetch, wanted: SiteFilter, limit: int, cursor: str | None = None) -> Page:
    """The first `limit` sites that fit, or those behind a page's cursor. Raises CursorError.

    A site that changes meanwhile moves to the end: whoever reads to the end has seen each site at least once, and its
    newest state last.
    """
    after = _decode(cursor) if cursor is not None else None
    rows = await fetch(
        statement("list_sites"),
        storable_text(wanted.territory_id, LONGEST_FILTER),
        storable_text(wanted.status, LONGEST_FILTER),
        _pattern(wanted.name),
        wanted.updated_since,
        after.updated_at if after else None,
        after.site_id if after else None,
        limit + 1,
    )
    sites = [dict(row) for row in rows[:limit]]
    last = sites[-1] if len(rows) > limit else None
    return Page(sites, _encode(_Cursor(last["updated_at"], last["site_id"])) if last else None)


def _pattern(text: str | None) -> str | None:
    if not text:
        return None
    escaped = PATTERN_CHARACTERS.sub(r"\\\1", storable_text(text) or "")
    return f"%{escaped}%"


def _encode(cursor: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(cursor)).decode().rstrip("=")


def _decode(text: str) -> _Cursor:
    try:
        padded = text + "=" * (-len(text) % 4)
        found = msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=_Cursor)
    except ValueError as error:
        raise CursorError(f"{text[:100]!r} is no cursor of a page") from error
    if found.updated_at.tzinfo is None or "\x00" in found.site_id:
        raise CursorError(f"{text[:100]!r} is no cursor of a page")
    return found
