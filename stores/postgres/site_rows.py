"""States of sites, from the changelog of their table, as rows of `customer_sites` and `contracts`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from sitehub.stores.postgres.sql import statement
from sitehub.stores.postgres.storable import NUL, moment, storable_text, without_nul

LONGEST_ID_BYTES = 2_000
"""An ordered index takes no more."""
LONGEST_FILTER = 200
"""Characters of what lists filter by; a longer one is shortened in its column, and whole in `attributes`."""

NULL = msgspec.Raw(b"null")

Text = str | None


class _Site(msgspec.Struct):
    site_id: str
    version: int
    attributes: msgspec.Raw
    contract_info: msgspec.Raw
    created_at: str
    updated_at: str
    last_event_id: str
    last_event_timestamp: str
    deleted_at: str | None = None


class _Attributes(msgspec.Struct):
    name: msgspec.Raw = NULL
    address: msgspec.Raw = NULL
    territory_id: msgspec.Raw = NULL
    status: msgspec.Raw = NULL


class _Contract(msgspec.Struct):
    contract_type: msgspec.Raw = NULL
    billing_cycle: msgspec.Raw = NULL


_site = msgspec.json.Decoder(_Site).decode
_attributes = msgspec.json.Decoder(_Attributes).decode
_contract = msgspec.json.Decoder(_Contract).decode


class SiteRow(msgspec.Struct, frozen=True):
    """A site; JSON as text."""

    site_id: str
    site_name: Text
    address: Text
    territory_id: Text
    status: str
    attributes: str
    contract_info: str
    contract_type: Text
    billing_cycle: Text
    version: int
    created_at: datetime | None
    updated_at: datetime | None
    deleted_at: datetime | None
    last_event_id: Text
    last_event_timestamp: datetime | None


class SiteRows:
    """Writes the newest state of each site; a contract's `updated_at` is that of the first state that has it."""

    def row(self, record: Any) -> SiteRow | str | None:
        """The row; none for the engine's own records."""
        if not record.key or record.key.startswith(NUL.encode()) or record.value is None:
            return None
        if NUL.encode() in record.key:
            return "the site's id holds NUL"
        if len(record.key) > LONGEST_ID_BYTES:
            return f"the site's id has {len(record.key)} bytes; an index takes {LONGEST_ID_BYTES}"
        site = _site(without_nul(record.value))
        attributes, contract = _attributes(site.attributes), _contract(site.contract_info)
        return SiteRow(
            site_id=site.site_id,
            site_name=_text(attributes.name),
            address=_json(attributes.address),
            territory_id=storable_text(_text(attributes.territory_id), LONGEST_FILTER),
            status=_status(site, attributes),
            attributes=bytes(site.attributes).decode(),
            contract_info=bytes(site.contract_info).decode(),
            contract_type=_text(contract.contract_type),
            billing_cycle=_text(contract.billing_cycle),
            version=site.version,
            created_at=moment(site.created_at),
            updated_at=moment(site.updated_at),
            deleted_at=moment(site.deleted_at),
            last_event_id=site.last_event_id,
            last_event_timestamp=moment(site.last_event_timestamp),
        )

    async def write(self, connection: Any, rows: Sequence[SiteRow]) -> None:
        """Write the last of each site's rows, sites in the order of their ids: two writers can't lock crosswise."""
        newest = {row.site_id: row for row in rows}
        ordered = [newest[site_id] for site_id in sorted(newest)]
        columns = [[getattr(row, name) for row in ordered] for name in SiteRow.__struct_fields__]
        await connection.execute(statement("upsert_sites"), *columns)
        runs = _contract_runs(rows)
        columns = [
            [row.site_id for row in ordered],
            [row.contract_type for row in ordered],
            [row.billing_cycle for row in ordered],
            [row.contract_info for row in ordered],
            [runs[row.site_id].since for row in ordered],
            [row.deleted_at for row in ordered],
            [runs[row.site_id].is_new for row in ordered],
            [runs[row.site_id].is_contract for row in ordered],
        ]
        await connection.execute(statement("upsert_contracts"), *columns)


@dataclass(slots=True)
class _Run:
    """States of a site in a row that have the same contract."""

    contract: tuple[str, datetime | None]
    since: datetime | None
    is_new: bool = False
    """The state before it, among these, had another."""
    is_contract: bool = False
    """This or one before it, among these, was not empty."""


def _contract_runs(rows: Sequence[SiteRow]) -> dict[str, _Run]:
    """The last of each site: so that it does not matter which states are written together."""
    runs: dict[str, _Run] = {}
    for row in rows:
        run, contract = runs.get(row.site_id), (row.contract_info, row.deleted_at)
        if run is None:
            run = runs[row.site_id] = _Run(contract, row.updated_at)
        elif run.contract != contract:
            run.contract, run.since, run.is_new = contract, row.updated_at, True
        run.is_contract |= row.contract_info != "{}"
    return runs


def _status(site: _Site, attributes: _Attributes) -> str:
    if site.deleted_at is not None:
        return "deleted"
    return storable_text(_text(attributes.status), LONGEST_FILTER) or "active"


def _text(value: msgspec.Raw) -> Text:
    """A JSON text as it is, another value as JSON, null as nothing."""
    found = bytes(value)
    return msgspec.json.decode(found, type=str) if found[:1] == b'"' else _json(value)


def _json(value: msgspec.Raw) -> Text:
    """JSON, null as nothing."""
    found = bytes(value)
    return None if found == b"null" else found.decode()
