"""What PostgreSQL says of sites and calls, against the model: whatever was killed meanwhile."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.chaos.witnesses import Load
from sitehub.tests.broker.hub import Hub, eventually, get
from sitehub.tests.broker.judge import await_all_ended
from sitehub.tests.broker.read_model import judge_read_model, rows, sites_of
from sitehub.tests.broker.site_events import event
from sitehub.tests.broker.workload import make
from sitehub.tests.postgres.conftest import SECRETS, Database

EVENTS_PER_SECOND = 300
HOSTILE = ['O\'Hare "Gate"; DROP TABLE customer_sites; --', "a\x00b", "x" * 900_000, "\u202eموقف\u202c"]


@pytest.fixture
def hub(kafka: EmbeddedKafka, postgres: Database, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path, overlay=dict(postgres.overlay), secrets=SECRETS)
    hub.start_targets()
    yield hub
    hub.stop()


def postgres_trouble(hub: Hub, name: str) -> tuple[str, str | None]:
    health = get(f"{hub.url(name)}/health")[1]
    return health["status"], health["postgres"]["error"]


def lag_records(hub: Hub) -> float:
    lines = []
    for name in ("worker-1", "worker-2"):
        with urllib.request.urlopen(f"{hub.url(name)}/metrics", timeout=5) as answer:  # noqa: S310
            lines += answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("sitehub_read_model_lag_records{"))


def test_the_read_model_is_the_fold_after_kills_of_postgres_and_of_a_worker(hub: Hub, postgres: Database) -> None:
    work = make(seed=3, events=6_000, sites=400)
    for name in ("worker-1", "worker-2"):
        hub.start_worker(name)
    hub.await_ready("worker-1", "worker-2")
    load = Load(hub, work, EVENTS_PER_SECOND)
    load.start()
    eventually(lambda: len(sites_of(postgres)) > 100, 30, "sites arrive while events come")

    postgres.server.kill()
    eventually(lambda: postgres_trouble(hub, "worker-1")[0] == "degraded", 30, "/health says so")
    calls = len(hub.calls())
    eventually(lambda: len(hub.calls()) > calls + 300, 30, "the streams go on without it")
    postgres.server.start()
    eventually(lambda: postgres_trouble(hub, "worker-1") == ("ok", None), 40, "it goes on by itself")
    hub.kill("worker-1")
    postgres.server.kill()
    postgres.server.start()
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    load.finish()
    await_all_ended(hub, work)

    judge_read_model(hub, postgres, work)
    eventually(lambda: lag_records(hub) == 0, 20, "nothing is said to be missing")


def test_a_hostile_name_goes_all_the_way_and_a_hostile_id_is_refused_alone(hub: Hub, postgres: Database) -> None:
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    data = {"address": {"street": "1 Main St"}, "territory_id": "t1"}
    for number, name in enumerate(HOSTILE):
        hub.publish([event("site_created", number, 0, site_data={**data, "name": name})])
    bad = json.dumps(
        {
            "event_type": "site_created",
            "event_id": "bad",
            "event_timestamp": "2026-11-24T01:00:00Z",
            "site_id": "bad\x00id",
            "site_data": {**data, "name": "bad"},
        }
    )
    hub.publish([(b"bad\x00id", bad.encode())])
    hub.publish([event("site_created", 99, 0, site_data={**data, "name": "last"})])

    expected = {f"site-{number}": name.replace("\x00", "␀") for number, name in enumerate(HOSTILE)} | {
        "site-99": "last"
    }
    eventually(
        lambda: {row["site_id"]: row["site_name"] for row in rows(postgres, "TABLE customer_sites")} == expected,
        30,
        "all but the one that has no place",
    )
    log = (hub.folder / "worker-1.log").read_text()
    eventually(lambda: "read_model_refused" in (hub.folder / "worker-1.log").read_text(), 10, "the refusal is logged")
    (refusal,) = [json.loads(line) for line in log.splitlines() if '"read_model_refused"' in line]
    assert (refusal["key"], refusal["why"]) == ("bad\x00id", "the site's id holds NUL")
