import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sitehub.codecs.events import EventDecoder
from sitehub.codecs.schemas import shipped_schemas
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure

DECODER = EventDecoder(
    {kind: {block["version"]: block["schema"]} for kind, block in shipped_schemas().items()}, key_field="site_id"
)
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
    assert reason(changed(event_timestamp="2026-13-45T99:99:99Z")) == "schema_violation"
    assert reason(changed(contract_info=1)) == "schema_violation"
    assert reason(changed(), key=b"other") == "key_mismatch"
    assert reason(changed(), key=None) == "key_mismatch"
    assert reason(changed(site_id="\0x"), key=b"\0x") == "invalid_site_id"


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
