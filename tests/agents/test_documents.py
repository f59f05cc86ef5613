"""Nulls in documents, as a target's `on_null` has it."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sitehub.agents import delivery as module
from sitehub.agents.delivery import delivery_loop
from sitehub.agents.documents import OnNull, fit
from sitehub.codecs.commands import decode_for_call, encode_command
from sitehub.codecs.dead_letters import read_dead_letter
from sitehub.rules.failure import Failure
from sitehub.rules.nulls import null_places, without_nulls
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.agents.delivery_fakes import FakePartition, FakeTarget, command, delivery, record, running, until

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "null", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
WITH_NULLS = {"name": "Zoo", "address": {"suite": None, "lines": ["1", None]}, "end": None}


def sent(body: Any, on_null: OnNull) -> Any:
    fitting = fit(decode_for_call(encode_command(command(1, body=body))), on_null)
    return fitting.error if isinstance(fitting, Failure) else orjson.loads(orjson.dumps(fitting.body))


def test_a_null_is_left_out_sent_or_refused() -> None:
    assert sent(WITH_NULLS, "omit") == {"name": "Zoo", "address": {"lines": ["1", None]}}
    assert sent(WITH_NULLS, "send") == WITH_NULLS
    assert "null at address.suite, address.lines.1, end," in sent(WITH_NULLS, "dead_letter")


@pytest.mark.parametrize("on_null", ["omit", "send", "dead_letter"])
def test_a_document_without_a_null_goes_out_as_it_is(on_null: OnNull) -> None:
    body = {"word": "null", "nullable": False, "list": []}
    assert sent(body, on_null) == body


@given(JSON)
def test_members_that_are_null_go_and_nothing_else_does(value: Any) -> None:
    kept = without_nulls(value)
    assert without_nulls(kept) == kept
    assert all(place.rpartition(".")[2].isdigit() or not place for place in null_places(kept))
    if not list(null_places(value)):
        assert kept == value


async def test_a_refused_null_is_a_dead_letter_without_a_call_and_the_sites_next_goes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "COMMIT_SECONDS", 0)
    partition, target = FakePartition(record(1, body={"a": None}), record(2)), FakeTarget()
    told = delivery(target, Metrics(CollectorRegistry()), on_null="dead_letter")
    async with running(delivery_loop(told), partition):
        await until(lambda: partition.next_offset == 3)

    assert target.calls == ["e2"]
    assert partition.statuses() == [("e1", "rejected"), ("e2", "delivered")]
    ((_, value, headers),) = partition.sends["billing-commands.dead-letter"]
    letter = read_dead_letter(headers)
    assert (value, letter.stage, letter.reason, letter.attempts) == (
        record(1, body={"a": None}).value,
        "delivery",
        "null_in_document",
        0,
    )
    assert told.account.difference == 0
