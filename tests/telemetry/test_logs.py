import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.telemetry.log_config import logging_config
from sitehub.telemetry.log_events import LOG_EVENTS, EventName
from sitehub.telemetry.logs import JsonFormatter, RateLimit, log


def record(template: object, *args: object, name: str = "sitehub.engine", **more: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.INFO, "engine.py", 7, template, args, None)
    vars(made).update(more)
    return made


def line(of: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(of)
    assert "\n" not in text
    decoded: dict[str, Any] = json.loads(text)
    return decoded


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a worker's logging writes; the test run's own logging is put back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    config = logging_config()
    config["handlers"]["lines"]["stream"] = stream
    logging.config.dictConfig(config)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(text) for text in written.getvalue().splitlines()]


def test_a_declared_event_is_one_line_with_its_fields(written: io.StringIO) -> None:
    log("part_off", part="delivery to gis", why="no\nsecret")

    (event,) = lines(written)
    assert list(event)[:4] == ["time", "level", "logger", "event"]
    assert (event["level"], event["event"]) == ("warning", "part_off")
    assert (event["part"], event["why"]) == ("delivery to gis", "no\nsecret")


def test_every_name_of_an_event_is_declared_with_a_text() -> None:
    assert {*LOG_EVENTS} == {*get_args(EventName)}
    assert all(event.help for event in LOG_EVENTS.values())


@pytest.mark.parametrize(
    ("template", "name", "event"),
    [
        ("partition_failed %s", "sitehub.engine.engine", "partition_failed"),
        ("start_failed", "sitehub", "start_failed"),
        ("partition %s failed", "sitehub.engine", "message"),
        ("records_lost, all", "sitehub", "message"),
        ("partition_failed %s", "sitehubs", "library"),
        ("Heartbeat failed", "aiokafka.consumer", "library"),
    ],
)
def test_an_event_is_named_by_the_first_word_of_a_template_of_ours(template: str, name: str, event: str) -> None:
    args = ("a-1",) if "%s" in template else ()

    found = line(record(template, *args, name=name))

    assert found["event"] == event
    assert found["message"] == template.replace("%s", "a-1")


def test_an_exception_is_told_in_the_same_line() -> None:
    fault = ValueError("no\nroom")

    found = line(record("commit_failed", exc_info=(ValueError, fault, None)))

    assert found["error"] == "ValueError: no\nroom"
    assert found["traceback"].endswith("no\nroom")


def test_a_template_that_does_not_fit_its_values_is_still_written() -> None:
    assert "wrong" in line(record("wrong %d", "text"))["message"]


def test_a_field_cannot_pass_for_the_time_or_the_event() -> None:
    found = line(record("part_off", sitehub_event="part_off", sitehub_fields={"event": "x", "time": "y", "part": "z"}))

    assert (found["event"], found["part"]) == ("part_off", "z")
    assert found["time"].endswith("Z")


circle: list[Any] = []
circle.append(circle)
anything: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.just(circle), st.just(object), st.just("\ud800")
)


@given(fields=st.dictionaries(st.text(), anything | st.dictionaries(anything.filter(lambda one: one is not circle), anything)))  # fmt: skip  # noqa: E501
def test_any_field_makes_one_line_of_json(fields: dict[str, Any]) -> None:
    line(record("part_off", sitehub_event="part_off", sitehub_fields=fields))


def passed(limit: RateLimit, times: list[float], name: str = "aiokafka.conn") -> list[tuple[float, int]]:
    """Times of the records that passed, with what was suppressed before them."""
    records = [record("down", name=name, created=time) for time in times]
    return [(one.created, getattr(one, "sitehub_suppressed", 0)) for one in records if limit.filter(one)]


def test_a_noisy_place_is_written_so_often_a_period_and_tells_what_was_not() -> None:
    limit = RateLimit("aiokafka", most=2, period_seconds=60)

    assert passed(limit, [0, 1, 2, 3, 59, 60, 61, 130]) == [(0, 0), (1, 0), (60, 3), (61, 0), (130, 0)]


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    limit = RateLimit("aiokafka", most=1, period_seconds=60)

    assert passed(limit, [1000, 500]) == [(1000, 0), (500, 0)]


def test_other_loggers_and_other_places_are_not_limited() -> None:
    limit = RateLimit("aiokafka", most=1, period_seconds=60)
    elsewhere = record("down", name="aiokafka.conn", lineno=8)

    assert len(passed(limit, [0, 1, 2], name="sitehub.engine")) == 3
    assert len(passed(limit, [0, 1, 2])) == 1
    assert limit.filter(elsewhere)


def test_a_worker_writes_json_lines_and_few_of_a_noisy_library(written: io.StringIO) -> None:
    for number in range(50):
        logging.getLogger("aiokafka.conn").error("down %d", number)
        logging.getLogger("sitehub").warning("broker_away %d", number)
    logging.getLogger("sitehub").debug("too_fine")

    events = lines(written)
    assert [event["message"] for event in events if event["logger"] == "aiokafka.conn"] == [
        "down 0",
        "down 1",
        "down 2",
    ]
    assert sum(event["event"] == "broker_away" for event in events) == 50
    assert len(events) == 53
