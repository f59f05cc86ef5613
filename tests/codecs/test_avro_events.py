import datetime as dt
import json
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.codecs.avro_events import AvroDecoder, AvroSchemaError, read_folder
from sitehub.codecs.events import EventDecoder
from sitehub.codecs.schemas import shipped_schemas
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure

ID = 7
OPTIONAL_TEXT = ["null", "string"]
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "SiteUpdated",
    "namespace": "customer.sites",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "site_id", "type": "string"},
        {"name": "event_type", "type": OPTIONAL_TEXT, "default": None},
        {"name": "changed_fields", "type": {"type": "array", "items": "string"}},
        {"name": "new_values", "type": {"type": "map", "values": ["null", "string", "double"]}},
    ],
}
GUIDE = json.loads((Path(__file__).parents[2] / "config/kafka.json").read_bytes())["event_schemas"]
SCHEMAS = {kind: {block["version"]: block["schema"]} for kind, block in {**shipped_schemas(), **GUIDE}.items()}
DECODER = EventDecoder(SCHEMAS, "site_id", AvroDecoder({ID: SCHEMA}))
NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
GOOD = {
    "event_id": "e1",
    "event_timestamp": NOON,
    "site_id": "s1",
    "event_type": None,
    "changed_fields": ["name", "fax"],
    "new_values": {"name": "North", "fax": None, "rate": 12.5},
}


def wire(value: dict[str, Any], schema: Any = SCHEMA, number: int = ID) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), value)
    return b"\0" + number.to_bytes(4, "big") + body.getvalue()


def payload(value: Any, kind: Any) -> Any:
    """What a field of type `kind` gives."""
    schema = {"type": "record", "name": "One", "fields": [{"name": "x", "type": kind}]}
    found = AvroDecoder({ID: schema}).decode(wire({"x": value}, schema))
    return found if isinstance(found, Failure) else found.get("x", "absent")


def test_avro_and_json_give_the_same_event() -> None:
    as_json = {**GOOD, "event_timestamp": "2026-11-24T12:00:00Z"}
    del as_json["event_type"]

    event = DECODER.decode(b"s1", wire(GOOD), [])

    assert isinstance(event, Event)
    assert event == DECODER.decode(b"s1", json.dumps(as_json).encode(), [])
    assert event.type == "site_updated"


def test_avro_events_meet_the_json_schema_and_the_key() -> None:
    mismatch = DECODER.decode(b"other", wire(GOOD), [])
    wrong = DECODER.decode(b"s1", wire(GOOD), [("event_type", b"site_created")])

    assert isinstance(mismatch, Failure)
    assert mismatch.reason == "key_mismatch"
    assert isinstance(wrong, Failure)
    assert (wrong.reason, "site_data" in wrong.error) == ("schema_violation", True)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (None, OPTIONAL_TEXT, "absent"),
        ({"a": None}, {"type": "map", "values": OPTIONAL_TEXT}, {"a": None}),
        ([None, "a"], {"type": "array", "items": OPTIONAL_TEXT}, [None, "a"]),
        (b"\x00\xff", "bytes", "\x00ÿ"),
        ("b", {"type": "enum", "name": "Letter", "symbols": ["a", "b"]}, "b"),
        (Decimal("12.50"), {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}, 12.5),
        (dt.date(2026, 11, 24), {"type": "int", "logicalType": "date"}, "2026-11-24"),
        (NOON, {"type": "long", "logicalType": "timestamp-micros"}, "2026-11-24T12:00:00Z"),
        (
            {"y": None, "z": {"y": 1}},
            {
                "type": "record",
                "name": "Two",
                "fields": [
                    {"name": "y", "type": ["null", "int"]},
                    {
                        "name": "z",
                        "type": {"type": "record", "name": "Three", "fields": [{"name": "y", "type": "int"}]},
                    },
                ],
            },
            {"z": {"y": 1}},
        ),
        ({"a": [{"b": b"c"}]}, ["string", {"type": "map", "values": ["null", {
            "type": "array", "items": {"type": "map", "values": "bytes"}}]}], {"a": [{"b": "c"}]}),
    ],
)  # fmt: skip
def test_each_type_becomes_the_json_a_producer_would_have_sent(value: Any, kind: Any, expected: Any) -> None:
    assert payload(value, kind) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_has_no_number_for_is_refused(value: float) -> None:
    failure = payload(value, "double")

    assert isinstance(failure, Failure)
    assert failure.reason == "not_avro"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"\0", "not_avro"),
        (b"\0\0\0\0\x07", "not_avro"),
        (wire(GOOD)[:-1], "not_avro"),
        (wire(GOOD) + b"x", "not_avro"),
        (wire(GOOD, number=8), "unknown_schema"),
        (b"\0" * ((1 << 20) + 1), "too_large"),
    ],
)
def test_each_fault_of_the_wire_format_has_its_reason(value: bytes, expected: str) -> None:
    failure = DECODER.decode(b"s1", value, [])

    assert isinstance(failure, Failure)
    assert (failure.stage, failure.reason) == ("decode", expected)


def test_a_value_that_is_no_record_is_no_event() -> None:
    failure = AvroDecoder({ID: "string"}).decode(b"\0\0\0\0\x07\x02a")

    assert isinstance(failure, Failure)
    assert failure.reason == "not_an_object"


@pytest.mark.parametrize("name", ["Node", "a.b.Node"])
def test_a_schema_that_contains_itself_is_refused_at_the_start(name: str) -> None:
    node = {"type": "record", "name": name, "fields": [{"name": "next", "type": ["null", name]}]}

    with pytest.raises(AvroSchemaError, match="contains itself"):
        AvroDecoder({ID: node})


@pytest.mark.parametrize(
    "items",
    [
        "null",
        {"type": "fixed", "name": "Nothing", "size": 0},
        {"type": "record", "name": "Nothing", "fields": []},
        {"type": "record", "name": "Nothing", "fields": [{"name": "x", "type": "null"}]},
    ],
)
def test_a_list_of_what_takes_no_bytes_is_refused_at_the_start(items: Any) -> None:
    """Nine bytes could claim 2**60 of them."""
    with pytest.raises(AvroSchemaError, match="no bytes"):
        AvroDecoder({ID: {"type": "array", "items": items}})


def test_a_type_that_is_named_twice_is_no_loop() -> None:
    place = {"type": "record", "name": "Place", "fields": [{"name": "city", "type": "string"}]}
    schema = {
        "type": "record",
        "name": "Move",
        "fields": [{"name": "old", "type": place}, {"name": "new", "type": ["null", "Place"]}],
    }
    value = {"old": {"city": "Bern"}, "new": {"city": "Rome"}}

    assert AvroDecoder({ID: schema}).decode(wire(value, schema)) == value


def test_a_folder_holds_schemas_by_id(tmp_path: Path) -> None:
    (tmp_path / "7.avsc").write_text(json.dumps(SCHEMA))
    (tmp_path / "README.md").write_text("schemas")

    assert read_folder(tmp_path) == {7: SCHEMA}


@pytest.mark.parametrize(("name", "text"), [("site.avsc", "{}"), ("²³.avsc", "{}"), ("7.avsc", "{")])
def test_a_file_that_holds_no_schema_is_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(AvroSchemaError, match=name):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        5,
        {},
        "nonsense",
        {"type": "nonsense"},
        {"type": "array"},
        {"type": "record", "name": "A", "fields": [{"name": "x"}]},
        {"type": "record", "name": "A", "fields": 5},
        {"type": "fixed", "name": "F"},
    ],
)
def test_what_is_no_schema_is_refused_at_the_start(schema: Any) -> None:
    with pytest.raises(AvroSchemaError, match="schema 7"):
        AvroDecoder({ID: schema})


@given(key=st.none() | st.binary(), body=st.binary(), number=st.sampled_from([ID, 0, 2**32 - 1]))
def test_any_bytes_behind_the_schema_id_give_an_event_or_a_failure(key: bytes | None, body: bytes, number: int) -> None:
    value = b"\0" + number.to_bytes(4, "big") + body

    assert isinstance(DECODER.decode(key, value, []), Event | Failure)


@given(place=st.integers(5, len(wire(GOOD)) - 1), byte=st.integers(0, 255))
def test_a_good_value_with_one_wrong_byte_gives_an_event_or_a_failure(place: int, byte: int) -> None:
    value = bytearray(wire(GOOD))
    value[place] = byte

    assert isinstance(DECODER.decode(b"s1", bytes(value), []), Event | Failure)
