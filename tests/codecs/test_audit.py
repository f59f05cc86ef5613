"""Audit records as JSON: whole, or shortened where they would not fit."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.codecs.audit import LARGEST_BYTES, LONGEST_TEXT, decode_audit, encode_audit, short_text
from sitehub.rules.audit import AuditRecord

values = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), max_size=5)


def record(text: str, before: dict[str, Any], after: dict[str, Any]) -> AuditRecord:
    return AuditRecord(
        "event:crm", "2026-11-24T02:00:00.000Z", text, "site", text, text, before, after, text, "events/4/3", "c0ffee"
    )


@given(text=st.text(), before=values, after=values)
def test_a_record_comes_back_as_it_was(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    one = record(text, before, after)

    assert decode_audit(encode_audit(one)) == one


def test_a_record_that_is_too_large_tells_size_and_hash_of_what_changed() -> None:
    large = {"version": 7, "attributes": {"note": "x" * LARGEST_BYTES}}
    found = decode_audit(encode_audit(record("s1", {"version": 6}, large)))

    assert found.site_id == "s1"
    assert found.after["version"] == 7
    assert found.after["bytes"] == len(msgspec.json.encode(large))
    assert len(found.after["sha256"]) == 64


@pytest.mark.parametrize("text", ["\x01" * 400_000, "é\U0001f600" * 200_000])
def test_even_a_record_with_ids_of_a_megabyte_fits(text: str) -> None:
    encoded = encode_audit(record(text, {}, {}))

    assert len(encoded) < LARGEST_BYTES
    assert decode_audit(encoded).entity_id == short_text(text)


@given(text=st.text(min_size=LONGEST_TEXT + 1, max_size=LONGEST_TEXT + 300), other=st.text(min_size=1))
def test_a_short_text_is_short_and_tells_long_ones_apart(text: str, other: str) -> None:
    assert len(short_text(text)) <= LONGEST_TEXT
    assert short_text(text) != short_text(text + other)
    assert short_text(text[:LONGEST_TEXT]) == text[:LONGEST_TEXT]
