"""The feed: real places, believable histories, the same for the same seed."""

from collections import Counter
from datetime import datetime
from itertools import islice
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitehub.dev.feed import Feed, Mix, Record
from sitehub.dev.feed_faults import FAULTS
from sitehub.dev.places import us_airports


def take(count: int, feed: Feed | None = None, first: int = 0) -> list[Record]:
    return list(islice((feed or Feed(sites=200)).records(first), count))


def event(record: Record) -> dict[str, Any]:
    fields: dict[str, Any] = orjson.loads(record.value or b"")
    return fields


def test_the_same_seed_gives_the_same_stream() -> None:
    assert take(2000) == take(2000)


def test_another_seed_gives_another_stream() -> None:
    assert take(100) != take(100, Feed(seed=8, sites=200))


@settings(max_examples=20)
@given(first=st.integers(0, 500))
def test_a_stream_continues_where_another_stopped(first: int) -> None:
    assert take(10, first=first) == take(first + 10)[first:]


def test_every_kind_of_event_appears() -> None:
    kinds = Counter(record.kind for record in take(5000))
    assert set(kinds) == set(Mix().weights())


def test_places_are_real_and_have_no_street() -> None:
    places = us_airports()
    assert len(places) == 12579
    denver = next(place for place in places if place.code == "KDEN")
    assert (denver.city, denver.state) == ("Denver", "CO")
    assert (round(denver.latitude, 1), round(denver.longitude, 1)) == (39.9, -104.7)
    created = [event(record)["site_data"] for record in take(1000) if record.kind == "creation"]
    assert {name for site in created for name in site["address"]} == {"city", "state", "province", "country"}


def test_good_records_have_their_site_as_key_and_a_type_in_header_and_field() -> None:
    for record in take(3000):
        if record.reason is None:
            fields = event(record)
            assert record.key == fields["site_id"].encode()
            assert record.headers == [("event_type", fields["event_type"].encode())]
            assert datetime.fromisoformat(fields["event_timestamp"]).tzinfo is not None


def test_event_ids_repeat_only_in_duplicates() -> None:
    records = [record for record in take(5000) if record.reason is None]
    originals = [record for record in records if record.kind != "duplicate"]
    ids = Counter(event(record)["event_id"] for record in originals)
    assert max(ids.values()) == 1
    values = {record.value for record in originals}
    assert all(record.value in values for record in records if record.kind == "duplicate")


def test_updates_follow_from_what_was_said_before() -> None:
    """An independent fold of the good records agrees with every old value."""
    state: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    for record in take(5000):
        if record.reason is not None:
            continue
        fields = event(record)
        if fields["event_id"] in seen:
            continue
        seen.add(fields["event_id"])
        site_id = fields["site_id"]
        match fields["event_type"]:
            case "site_created":
                assert site_id not in state
                state[site_id] = dict(fields["site_data"])
            case "site_updated":
                assert set(fields["changed_fields"]) == set(fields["new_values"])
                for name, old in fields["old_values"].items():
                    assert state[site_id][name] == old
                state[site_id] |= fields["new_values"]
            case "contract_updated":
                state[site_id]["contract_info"] |= fields["contract_info"]
            case "site_deleted":
                del state[site_id]


def test_a_repetition_changes_nothing() -> None:
    repetitions = [event(record) for record in take(3000) if record.kind == "repetition"]
    assert repetitions
    assert all(fields["old_values"] == fields["new_values"] for fields in repetitions)


def test_some_sites_wait_for_a_territory_and_get_it() -> None:
    records = take(5000)
    created = [event(record) for record in records if record.kind == "creation"]
    waiting = {fields["site_id"] for fields in created if "territory_id" not in fields["site_data"]}
    assigned = {event(record)["site_id"] for record in records if record.kind == "territory"}
    deleted = {event(record)["site_id"] for record in records if record.kind == "deletion"}
    assert 0 < len(waiting) < 60
    assert assigned <= waiting
    assert waiting - deleted <= assigned


def test_each_fault_appears_and_names_its_reason() -> None:
    broken = [record for record in take(20000) if record.kind == "malformed"]
    assert all(record.reason for record in broken)
    reasons = {record.reason for record in broken}
    assert {"not_json", "not_utf8", "too_deep", "key_mismatch", "schema_violation", "unknown_site"} <= reasons
    assert len({(record.reason, (record.value or b"")[:1]) for record in broken}) <= len(FAULTS)


def test_more_sites_than_places_is_an_error_that_says_how_many_there_are() -> None:
    with pytest.raises(ValueError, match="1 to 12579 sites, not 20000"):
        take(1, Feed(sites=20000))


def test_a_single_site_has_a_history_too() -> None:
    assert {record.key for record in take(200, Feed(sites=1)) if record.reason is None} == {
        take(1, Feed(sites=1))[0].key
    }
