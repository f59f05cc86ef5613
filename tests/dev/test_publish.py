"""Publishing, without a broker."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from sitehub.dev.feed_command import feed
from sitehub.dev.publish import Report, key_of
from sitehub.dev.publish_command import publish_command


@given(st.binary())
def test_any_bytes_have_a_key_or_none(value: bytes) -> None:
    key = key_of(value)
    assert key is None or isinstance(key, bytes)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"site_id": "a"}', b"a"),
        (b'{"territory_id": "t"}', b"t"),
        (b'{"site_id": "a", "territory_id": "t"}', b"a"),
        (b'{"site_id": 7}', None),
        (b'["site_id"]', None),
        (b'{"site_id": "a"', None),
        (b"", None),
    ],
)
def test_the_key_is_the_site_else_the_territory(value: bytes, key: bytes | None) -> None:
    assert key_of(value) == key


def test_a_report_keeps_the_first_hundred_failures_and_counts_all() -> None:
    report = Report()
    for line in range(1, 151):
        report.fail(line, ValueError("too large"))
    assert (report.failed, len(report.failures), report.failures[-1].line) == (150, 100, 100)
    assert report.failures[0].error == "ValueError: too large"


def unreachable() -> Mapping[str, Any]:
    return {"bootstrap_servers": "127.0.0.1:1"}


def test_no_broker_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"{}\n")
    result = CliRunner().invoke(publish_command(unreachable), [str(file)])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: no Kafka at 127.0.0.1:1")
    assert len(result.stderr.splitlines()) == 1


def test_the_feed_writes_as_many_lines_as_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    assert CliRunner().invoke(feed, ["--events", "50", "--output", str(file)]).exit_code == 0
    assert len(file.read_bytes().splitlines()) == 50
