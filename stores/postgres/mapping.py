"""Mapped fields as `integration.data_mapping` has them. Functions take a connection of asyncpg."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sitehub.rules.mapping import MappingEntry
from sitehub.stores.postgres.sql import statement

SOURCE = "customer_sites"
"""The hub, as a source system; rows of other sources are none of its business."""
CHANNEL = "sitehub_data_mapping"
"""Where the table's trigger tells that something has changed."""
AS_IT_IS = "direct_mapping"
"""What a row without a transformation means."""

Entries = dict[str, list[MappingEntry]]


async def seed(connection: Any, configured: Mapping[str, Sequence[MappingEntry]], config_id: str) -> list[str]:
    """Put in the mappings of targets that were never put in before; their names. Several may do so at once."""
    seeded = []
    for target, entries in configured.items():
        async with connection.transaction():
            if await connection.fetchval(statement("seed_target"), target, config_id) is None:
                continue
            sources = [entry.source_field for entry in entries]
            targets = [entry.target_field for entry in entries]
            transformations = [entry.transformation for entry in entries]
            await connection.execute(statement("seed_mapping"), SOURCE, target, sources, targets, transformations)
            seeded.append(target)
    return seeded


async def active(connection: Any) -> Entries:
    """The active rows of each target that was ever put in, oldest first; none left: an empty mapping."""
    found: Entries = {}
    for row in await connection.fetch(statement("active_mapping"), SOURCE):
        entries = found.setdefault(row["target_system"], [])
        if row["target_field"] is not None:
            transformation = row["transformation_rule"] or AS_IT_IS
            entries.append(MappingEntry(row["source_field"], row["target_field"], transformation))
    return found


async def every_row(connection: Any, target: str | None) -> list[dict[str, Any]]:
    """All rows, those that are not active too, oldest first; of one target if it is given."""
    return [dict(row) for row in await connection.fetch(statement("all_mappings"), SOURCE, target)]


async def adopt(connection: Any, target: str) -> None:
    """From now on the table's rows are the whole mapping of `target`, which the configuration may have none for."""
    await connection.fetchval(statement("seed_target"), target, "")


async def lock(connection: Any) -> None:
    """Let nobody else change the table before this transaction ends."""
    await connection.execute(statement("lock_mapping"))


async def disable(connection: Any, target: str, target_field: str) -> list[MappingEntry]:
    """Let no row give `target_field` any more; those that did."""
    rows = await connection.fetch(statement("disable_mapping"), SOURCE, target, target_field)
    return [MappingEntry(row["source_field"], target_field, row["transformation_rule"] or AS_IT_IS) for row in rows]


async def add(connection: Any, target: str, entry: MappingEntry) -> None:
    """A new active row."""
    values = (target, entry.source_field, entry.target_field, entry.transformation)
    await connection.execute(statement("add_mapping"), SOURCE, *values)


async def listen(connection: Any, changed: Callable[[], None]) -> None:
    """Call `changed` whenever the table may have another content, and once when the connection has ended."""
    connection.add_termination_listener(lambda *_: changed())
    await connection.add_listener(CHANNEL, lambda *_: changed())
