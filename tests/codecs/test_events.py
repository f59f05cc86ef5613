import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.codecs.events import EventDecoder
from sitehub.codecs.schemas import shipped_schemas
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure

DECODER = EventDecoder(
    {kind: {block["version"]: block["schema"]} for kind, block in shipped_schemas().items()}, key_field="site_id"
)
GUIDE = json.loads((Path(__file__).parents[2] / "config/kafka.json").read_bytes())["event_schemas"]
GUIDE_DECODER = EventDecoder(
    {kind: {block["version"]: block["schema"]} for kind, block in {**shipped_schemas(), **GUIDE}.items()}, "site_id"
)
VALIDATED = {"schema_violation", "key_mismatch", "invalid_site_id"}
GOOD: dict[str, Any] = {
    "event_type": "contract_updated",
    "event_id": "e1",
    "event_timestamp": "2026-11-24T01:00:00Z",
    "site_id": "s1",
    "contract_info": {"rate": 1},
}


def decode(value: bytes, key: bytes | None = b"s1", headers: list[tuple[str, bytes]] | None = None) -> Event | Failure:
    return DECODER.decode(key, value, headers or [])


def reason(value: bytes, key: bytes | None = b"s1") -> str:
    failure = decode(value, key)
    assert isinstance(failure, Failure), failure
    assert failure.stage == ("validate" if failure.reason in VALIDATED else "decode")
    return failure.reason


def changed(**fields: Any) -> bytes:
    return json.dumps({**GOOD, **fields}).encode()


def test_a_good_event_is_decoded() -> None:
    event = decode(changed())

    assert isinstance(event, Event)
    assert (event.type, event.version, event.event_id, event.site_id) == ("contract_updated", "1.0", "e1", "s1")


def test_the_header_names_the_type_before_the_field() -> None:
    event = decode(changed(), headers=[("event_type", b"site_deleted")])

    assert isinstance(event, Event)
    assert event.type == "site_deleted"


def test_without_a_name_the_schema_that_requires_most_of_what_is_there_fits() -> None:
    event = decode(json.dumps({k: v for k, v in GOOD.items() if k != "event_type"}).encode())

    assert isinstance(event, Event)
    assert event.type == "contract_updated"


def test_each_fault_has_its_reason() -> None:
    deep = b'{"a":' * 65 + b"1" + b"}" * 65
    assert reason(b"") == "empty_value"
    assert reason(b"{") == "not_json"
    assert reason(b'{"a": NaN}') == "not_json"
    assert reason(b'{"a": "\xff"}') == "not_utf8"
    assert reason(b"[1]") == "not_an_object"
    assert reason(deep) == "too_deep"
    assert reason(b" " * ((1 << 20) + 1)) == "too_large"
    assert reason(b"\x00\x00\x00\x00\x01x") == "avro_unsupported"
    assert reason(changed(event_type="nonsense")) == "unknown_event_type"
    assert reason(changed(version="9")) == "unknown_version"
    assert isinstance(decode(changed(), headers=[("version", b"\xff")]), Failure)
    assert isinstance(decode(changed(), headers=[("event_type", b"\xff")]), Failure)
    assert reason(changed(event_timestamp="2026-13-45T99:99:99Z")) == "schema_violation"
    assert reason(changed(contract_info=1)) == "schema_violation"
    assert reason(changed(), key=b"other") == "key_mismatch"
    assert reason(changed(), key=None) == "key_mismatch"
    assert reason(changed(site_id="\0x"), key=b"\0x") == "invalid_site_id"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "empty_value"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"nonsense", "not_json"),
        (b'{"a": Infinity}', "not_json"),
        (b'{"a": -Infinity}', "not_json"),
        (b'{"a": 1e999}', "not_json"),
        (b'{"a": "\\ud800"}', "not_json"),
        (b'{"a": 1} {"a": 1}', "not_json"),
        (b'\xef\xbb\xbf{"a": 1}', "not_json"),
        (b'{"a": "\xed\xa0\x80"}', "not_utf8"),
        (b"\x00", "avro_unsupported"),
    ],
)
def test_what_is_no_json_object_in_utf8_is_told_apart(value: bytes | None, expected: str) -> None:
    failure = DECODER.decode(b"s1", value, [])

    assert isinstance(failure, Failure)
    assert (failure.stage, failure.reason) == ("decode", expected)
    assert failure.error


@pytest.mark.parametrize("name", ["event_id", "event_timestamp", "site_id", "contract_info"])
def test_each_required_field_is_required_and_named(name: str) -> None:
    failure = decode(json.dumps({key: value for key, value in GOOD.items() if key != name}).encode())

    assert isinstance(failure, Failure)
    assert (failure.stage, failure.reason) == ("validate", "schema_violation")
    assert name in failure.error


def test_every_fault_is_told_with_its_place_up_to_a_bound() -> None:
    schema = {"properties": {f"f{number}": {"type": "integer"} for number in range(9)}, "required": ["event_id"]}
    decoder = EventDecoder({"many": {"1.0": schema}}, "site_id")
    value = {"event_type": "many", "event_id": "e1", **{f"f{number}": "x" for number in range(9)}}

    failure = decoder.decode(b"s1", json.dumps(value).encode(), [])

    assert isinstance(failure, Failure)
    assert all(f"f{number}: " in failure.error for number in range(5))
    assert failure.error.endswith("and 4 more")


@pytest.mark.timeout(20)
def test_of_a_megabyte_of_faults_the_first_is_told_at_once() -> None:
    """A list of them all would take half a minute, in which the broker gives the worker up."""
    items = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    decoder = EventDecoder({"many": {"1.0": {"properties": {"codes": {"items": items}}}}}, "site_id")

    failure = decoder.decode(b"s1", b'{"event_type":"many","codes":[1' + b",1" * 500_000 + b"]}", [])

    assert isinstance(failure, Failure)
    assert failure.reason == "schema_violation"
    assert failure.error.startswith("codes.0: ")
    assert failure.error.endswith("there may be more")


@pytest.mark.parametrize(
    "timestamp", ["2026-11-24T01:00:00z", "2026-11-24T01:00:00.123456789+05:30", "2016-12-31T23:59:60Z"]
)
def test_every_spelling_of_a_time_is_taken_as_it_is(timestamp: str) -> None:
    event = decode(changed(event_timestamp=timestamp))

    assert isinstance(event, Event)
    assert event.event_timestamp == timestamp


@pytest.mark.parametrize("timestamp", ["2026-11-24T01:00:00", "2026-11-24", "yesterday", "0000-01-01T00:00:00Z", ""])
def test_a_time_that_no_calendar_has_is_refused_whatever_the_schema_says(timestamp: str) -> None:
    lenient = EventDecoder({"contract_updated": {"1.0": {"type": "object"}}}, "site_id")
    failure = lenient.decode(b"s1", changed(event_timestamp=timestamp), [])

    assert reason(changed(event_timestamp=timestamp)) == "schema_violation"
    assert isinstance(failure, Failure)
    assert (failure.reason, "event_timestamp" in failure.error) == ("schema_violation", True)


@pytest.mark.parametrize("name", ["event_id", "event_timestamp", "site_id"])
@pytest.mark.parametrize("value", [None, 1, ["x"]])
def test_what_every_event_has_is_text_whatever_the_schema_says(name: str, value: Any) -> None:
    lenient = EventDecoder({"contract_updated": {"1.0": {"type": "object"}}}, "site_id")

    failure = lenient.decode(b"s1", changed(**{name: value}), [])

    assert isinstance(failure, Failure)
    assert failure.reason == "schema_violation"


def test_the_version_is_that_of_the_header_before_the_field() -> None:
    schema = {"type": "object"}
    decoder = EventDecoder({"moved": {"1.0": schema, "2.0": schema}}, "site_id")

    def version(headers: list[tuple[str, bytes | None]], **fields: Any) -> str:
        event = decoder.decode(b"s1", changed(event_type="moved", **fields), headers)
        assert isinstance(event, Event)
        return event.version

    assert version([]) == "1.0"
    assert version([], version="2.0") == "2.0"
    assert version([("version", b"1.0")], version="2.0") == "1.0"
    assert version([("version", None)], version="2.0") == "2.0"


@pytest.mark.parametrize("version", [1.0, None, ["1.0"], "1", "2.0"])
def test_an_unknown_version_is_refused_and_the_known_ones_named(version: Any) -> None:
    failure = decode(changed(version=version))

    assert isinstance(failure, Failure)
    assert (failure.stage, failure.reason, "1.0" in failure.error) == ("decode", "unknown_version", True)


@pytest.mark.parametrize("kind", ["nonsense", "", 5, ["site_deleted"], {"a": 1}])
def test_an_unknown_type_is_refused_and_the_known_ones_named(kind: Any) -> None:
    failure = decode(changed(event_type=kind))

    assert isinstance(failure, Failure)
    assert (failure.stage, failure.reason) == ("decode", "unknown_event_type")
    assert "contract_updated" in failure.error


HEAD = {"event_id": "e1", "event_timestamp": "2026-11-24T01:00:00Z", "site_id": "s1"}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"site_data": {}}, "site_created"),
        ({"changed_fields": []}, "site_updated"),
        ({"contract_info": {}}, "contract_updated"),
    ],
)
def test_without_a_name_the_type_is_that_whose_required_fields_are_there(fields: dict[str, Any], kind: str) -> None:
    for headers in ([], [("event_type", None)]):
        event = GUIDE_DECODER.decode(b"s1", json.dumps({**HEAD, **fields}).encode(), headers)

        assert isinstance(event, Event)
        assert event.type == kind


def test_without_a_name_a_deletion_is_never_guessed() -> None:
    """Every event has what a deletion requires: an update that lost a field would delete its site."""
    failure = GUIDE_DECODER.decode(b"s1", json.dumps({**HEAD, "new_values": {"name": "x"}}).encode(), [])

    assert isinstance(failure, Failure)
    assert failure.reason == "unknown_event_type"


def test_without_a_name_a_record_that_fits_two_types_is_refused() -> None:
    both = {**HEAD, "changed_fields": [], "site_data": {}}

    failure = GUIDE_DECODER.decode(b"s1", json.dumps(both).encode(), [])

    assert isinstance(failure, Failure)
    assert failure.reason == "ambiguous_event_type"
    assert "site_created" in failure.error
    assert "site_updated" in failure.error


def test_a_schema_fits_better_only_if_it_requires_all_that_the_other_does() -> None:
    def schema(*required: str) -> dict[str, Any]:
        return {"1.0": {"required": [*HEAD, *required]}}

    decoder = EventDecoder({"a": schema("x"), "ab": schema("x", "y"), "c": schema("z")}, "site_id")

    def kind(*names: str) -> str:
        found = decoder.decode(b"s1", json.dumps({**HEAD, **dict.fromkeys(names, 1)}).encode(), [])
        return found.type if isinstance(found, Event) else found.reason

    assert [kind("x"), kind("x", "y"), kind("z")] == ["a", "ab", "c"]
    assert [kind("x", "z"), kind("x", "y", "z")] == ["ambiguous_event_type", "ambiguous_event_type"]


def test_a_key_equals_the_site_id_byte_by_byte() -> None:
    assert isinstance(decode(changed(site_id="Zürich/東京"), key="Zürich/東京".encode()), Event)
    assert reason(changed(), key=b"s1 ") == "key_mismatch"
    assert reason(changed(site_id=""), key=b"") == "invalid_site_id"


def test_exactly_the_limits_are_taken() -> None:
    head = changed(contract_info={"note": ""})
    note = "x" * ((1 << 20) - len(head))
    deep: Any = 1
    for _ in range(62):
        deep = [deep]

    assert isinstance(decode(changed(contract_info={"note": note})), Event)
    assert reason(changed(contract_info={"note": note + "x"})) == "too_large"
    assert isinstance(decode(changed(contract_info={"deep": deep})), Event)
    assert reason(changed(contract_info={"deep": [deep]})) == "too_deep"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("end", [b"", b"\\", b'"'])
def test_a_megabyte_of_quotes_is_judged_at_once(end: bytes) -> None:
    """Brackets enough to be counted, then a text that never ends: each quote must be looked at only once."""
    assert reason(b"[" * 65 + b'"' + b'\\"' * 500_000 + end) == "too_deep"


def test_brackets_in_text_are_not_nesting() -> None:
    assert isinstance(decode(changed(contract_info={"note": "[" * 100})), Event)


@given(key=st.none() | st.binary(), value=st.none() | st.binary(), name=st.text(), header=st.none() | st.binary())
def test_any_bytes_give_an_event_or_a_failure(
    key: bytes | None, value: bytes | None, name: str, header: bytes | None
) -> None:
    assert isinstance(DECODER.decode(key, value, [(name, header), ("event_type", header)]), Event | Failure)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(fields=st.dictionaries(st.sampled_from([*GOOD, "version", "other"]), json_values))
def test_any_json_gives_an_event_or_a_failure(fields: dict[str, Any]) -> None:
    assert isinstance(decode(changed(**fields)), Event | Failure)
