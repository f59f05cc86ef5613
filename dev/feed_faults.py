"""Records that can't be applied, as broken producers send them, each with the reason of its dead letter."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import orjson

NESTING = 80


class Broken(NamedTuple):
    """A record's parts, and why it can't be applied."""

    key: bytes | None
    value: bytes | None
    reason: str


def _cut_short(event: dict[str, Any], key: bytes) -> Broken:
    value = orjson.dumps(event)
    return Broken(key, value[: len(value) // 2], "not_json")


def _latin_1(event: dict[str, Any], key: bytes) -> Broken:
    return Broken(key, orjson.dumps(event)[:-1] + b',"note":"caf\xe9"}', "not_utf8")


def _not_a_number(event: dict[str, Any], key: bytes) -> Broken:
    return Broken(key, orjson.dumps(event)[:-1] + b',"score":NaN}', "not_json")


def _too_deep(event: dict[str, Any], key: bytes) -> Broken:
    return Broken(key, orjson.dumps(event)[:-1] + b',"nested":' + b"[" * NESTING + b"]" * NESTING + b"}", "too_deep")


def _no_object(_event: dict[str, Any], key: bytes) -> Broken:
    return Broken(key, b'["site_updated"]', "not_an_object")


def _empty(_event: dict[str, Any], key: bytes) -> Broken:
    return Broken(key, b"", "empty_value")


def _without_event_id(event: dict[str, Any], key: bytes) -> Broken:
    return Broken(
        key, orjson.dumps({name: value for name, value in event.items() if name != "event_id"}), "schema_violation"
    )


def _impossible_date(event: dict[str, Any], key: bytes) -> Broken:
    return Broken(key, orjson.dumps(event | {"event_timestamp": "2026-13-45T99:99:99Z"}), "schema_violation")


def _key_of_another(event: dict[str, Any], _key: bytes) -> Broken:
    return Broken(b"site-of-somebody-else", orjson.dumps(event), "key_mismatch")


def _unknown_version(event: dict[str, Any], key: bytes) -> Broken:
    return Broken(key, orjson.dumps(event | {"version": "99.0"}), "unknown_version")


def _unknown_site(event: dict[str, Any], _key: bytes) -> Broken:
    site_id = f"{event['site_id']}-never-created"
    return Broken(site_id.encode(), orjson.dumps(event | {"site_id": site_id}), "unknown_site")


def _value_missing(event: dict[str, Any], key: bytes) -> Broken:
    return Broken(
        key, orjson.dumps(event | {"changed_fields": ["name", "capacity"], "new_values": {}}), "new_value_missing"
    )


FAULTS: tuple[Callable[[dict[str, Any], bytes], Broken], ...] = (
    _cut_short,
    _latin_1,
    _not_a_number,
    _too_deep,
    _no_object,
    _empty,
    _without_event_id,
    _impossible_date,
    _key_of_another,
    _unknown_version,
    _unknown_site,
    _value_missing,
)


def broken(update: dict[str, Any], random: Random) -> Broken:
    """Return a broken form of `update`, a good `site_updated` event."""
    return random.choice(FAULTS)(update, update["site_id"].encode())
