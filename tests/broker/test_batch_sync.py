"""The nightly batch on the real servers: every row reaches the target, once unless something was killed meanwhile."""

import json
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sitehub.codecs.commands import decode_command
from sitehub.codecs.dead_letters import read_dead_letter
from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually, get, header
from sitehub.tests.postgres.conftest import SECRETS, Database
from sitehub.tests.postgres.site_rows import fill, one_row

OPERATION = "full_customer_sync"
WORKERS = ("worker-1", "worker-2")


@pytest.fixture
def hub(kafka: EmbeddedKafka, postgres: Database, names: Names, tmp_path: Path) -> Iterator[Hub]:
    batch = {"schedule": "0 3 29 2 *", "batch_size": 20, "parallel_workers": 3}
    overlay = {**postgres.overlay, "batch_sync_config": batch}
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path, overlay=overlay, secrets=SECRETS)
    hub.start_targets()
    yield hub
    hub.stop()


def pages(hub: Hub) -> list[dict[str, Any]]:
    """Calls of the batch that were answered with success."""
    return [call for call in hub.calls() if call["path"].endswith("/batch-update") and call["status"] == 200]


def told(hub: Hub) -> Counter[str]:
    return Counter(record["customer_id"] for call in pages(hub) for record in call["body"]["records"])


def keys_are_true(hub: Hub) -> None:
    """A key never stands for two contents, and a content that was sent again has its key."""
    contents, keys = defaultdict(set), defaultdict(set)
    for call in pages(hub):
        content = json.dumps(call["body"], sort_keys=True)
        contents[call["idempotency_key"]].add(content)
        keys[content].add(call["idempotency_key"])
    assert all(len(found) == 1 for found in contents.values())
    assert all(len(found) == 1 for found in keys.values())


def run(hub: Hub, *options: str) -> dict[str, Any]:
    done = hub.run("sync", "run", OPERATION, "--json", *options)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"exit": done.returncode}


async def test_all_rows_go_out_mapped_in_pages_and_the_next_run_sends_what_changed(hub: Hub, owner: Any) -> None:
    await fill(owner, 205)
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    planned = run(hub, "--dry-run")
    assert (planned["rows"], planned["pages"], planned["first_record"]["customer_id"]) == (205, 11, "site-00000")
    assert pages(hub) == []

    first = run(hub)

    assert (first["exit"], first["state"], first["rows_done"], first["pages"]) == (0, "completed", 205, 11)
    assert told(hub) == Counter({f"site-{number:05}": 1 for number in range(205)})
    call = pages(hub)[0]
    assert (call["method"], call["path"]) == ("POST", "/customers/batch-update")
    assert (call["body"]["operation"], call["body"]["watermark"]) == (OPERATION, "1970-01-01T00:00:00Z")
    assert call["body"]["records"][0] == {
        "customer_id": call["body"]["records"][0]["customer_id"],
        "customer_name": call["body"]["records"][0]["customer_name"],
        "billing_address": {"line1": "1 Main St", "city": "Denver"},
        "billing_configuration": {"contract_type": "lease", "currency": "USD", "terms": {}},
    }
    assert call["idempotency_key"].startswith(f"{OPERATION}:1970-01-01T00:00:00Z:")
    assert call["config_id"] == get(f"{hub.url('worker-1')}/health")[1]["config_id"]

    await one_row(owner, 7, "site-00007 with another name")
    second = run(hub)
    assert second["state"] == "completed"
    again = told(hub) - Counter({f"site-{number:05}": 1 for number in range(205)})
    assert again["site-00007"] == 1
    assert len(again) <= 2  # rows as new as the watermark itself are sent again
    history = json.loads(hub.run("sync", "history", "--json").stdout)
    assert [(one["state"], one["actor"].split(":")[0]) for one in history] == [("completed", "operator")] * 2
    keys_are_true(hub)


async def test_bad_rows_become_dead_letters_and_all_others_go_through(hub: Hub, owner: Any) -> None:
    await fill(owner, 100)
    for number in (0, 33, 34, 99):
        await one_row(owner, number, "")
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")

    done = run(hub)

    bad = {f"site-{number:05}" for number in (0, 33, 34, 99)}
    assert (done["exit"], done["state"], done["rows_done"], done["rows_rejected"]) == (1, "completed", 100, 4)
    assert told(hub) == Counter({f"site-{number:05}": 1 for number in range(100)} | dict.fromkeys(bad, 0)) + Counter()
    letters = hub.read("billing-commands.dead-letter")
    assert {message.key().decode() for message in letters} == bad
    for message in letters:
        letter = read_dead_letter(message.headers())
        assert (letter.reason, letter.target, letter.topic) == ("rejected", "billing", f"batch/{OPERATION}")
        command = decode_command(message.value())
        assert [one["customer_id"] for one in command.body["records"]] == [message.key().decode()]
        assert header(message, "command_id") == command.command_id


async def test_a_worker_that_is_killed_in_the_middle_is_followed_by_one_that_goes_on_where_it_was(
    hub: Hub, owner: Any
) -> None:
    await fill(owner, 2_000)
    hub.control(latency_ms=30)
    for name in WORKERS:
        hub.start_worker(name)
    hub.await_ready(*WORKERS)
    request = hub.spawn("request", "sync", "run", OPERATION, "--json")
    eventually(lambda: len(pages(hub)) > 20, 30, "the batch is under way")
    (leader,) = [name for name in WORKERS if get(f"{hub.url(name)}/health")[1]["batch"]["leader"]]
    (other,) = {*WORKERS} - {leader}

    hub.kill(leader)

    before = len(pages(hub))
    eventually(lambda: get(f"{hub.url(other)}/health")[1]["batch"]["leader"], 60, "another leader")
    await ended(owner, request)
    assert 20 < before < 100
    assert set(told(hub)) == {f"site-{number:05}" for number in range(2_000)}
    assert sum(told(hub).values()) <= 2_000 + 20 * 3 * 5  # no more than what may be open beyond the watermark
    keys_are_true(hub)


async def ended(owner: Any, request: Any) -> None:
    """The only run there is has ended well."""
    assert request.wait(90) == 0
    states = await owner.fetch("SELECT state, error FROM integration.batch_runs")
    assert [(row["state"], row["error"]) for row in states] == [("completed", None)]


async def test_a_leader_that_wakes_up_after_its_lease_calls_and_writes_nothing_more(hub: Hub, owner: Any) -> None:
    await fill(owner, 2_000)
    hub.control(latency_ms=30)
    for name in WORKERS:
        hub.start_worker(name)
    hub.await_ready(*WORKERS)
    request = hub.spawn("request", "sync", "run", OPERATION, "--json")
    eventually(lambda: len(pages(hub)) > 20, 30, "the batch is under way")
    (leader,) = [name for name in WORKERS if get(f"{hub.url(name)}/health")[1]["batch"]["leader"]]

    hub.processes[leader].send_signal(signal.SIGSTOP)
    await ended(owner, request)
    total = len(pages(hub))
    watermark = await owner.fetchval("SELECT watermark FROM integration.watermarks WHERE operation = $1", OPERATION)
    hub.processes[leader].send_signal(signal.SIGCONT)
    eventually(lambda: b"batch_lease_lost" in hub.log(leader), 30, "the former leader notices")

    assert set(told(hub)) == {f"site-{number:05}" for number in range(2_000)}
    assert len(pages(hub)) - total <= 3  # of calls that were open when it was frozen
    now = await owner.fetchval("SELECT watermark FROM integration.watermarks WHERE operation = $1", OPERATION)
    assert now == watermark
    keys_are_true(hub)
