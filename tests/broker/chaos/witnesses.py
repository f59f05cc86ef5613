"""What goes on while faults are injected: the load, look-ups all the time, and the commands as they appear."""

import json
import random
import threading
import time
from contextlib import suppress
from urllib.error import URLError
from urllib.parse import quote

from confluent_kafka import Consumer, Producer, TopicPartition

from sitehub.tests.broker.hub import PARTITIONS, Hub, get
from sitehub.tests.broker.workload import Workload


class Load:
    """Sends the workload's events at an even rate."""

    def __init__(self, hub: Hub, work: Workload, per_second: float) -> None:
        self.sent = 0
        self._hub, self._work, self._per_second = hub, work, per_second
        self._thread = threading.Thread(target=self._send, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """Return when the broker has all of it."""
        self._thread.join()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def _send(self) -> None:
        producer = Producer(
            {
                "bootstrap.servers": self._hub.bootstrap,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "message.timeout.ms": 0,
            }
        )
        began = time.monotonic()
        for number, sent in enumerate(self._work.sent):
            producer.produce(self._hub.topic("customer-sites-events"), sent.value, key=sent.key)
            self.sent = number + 1
            producer.poll(max(0.0, began + number / self._per_second - time.monotonic()))
        assert producer.flush(120) == 0


class LookUps:
    """Asks for sites all the time; no answer may be a state that never was."""

    def __init__(self, hub: Hub, work: Workload, seed: int) -> None:
        self.answers = 0
        self.stale = 0
        self.violations: list[str] = []
        self._hub, self._history = hub, work.history
        self._rng = random.Random(seed)
        self._seen: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        sites = sorted(self._history)
        while not self._stop.is_set():
            ports = list(self._hub.ports.items())
            name, port = self._rng.choice(ports)
            site_id = self._rng.choice(sites)
            url = f"http://127.0.0.1:{port}/api/v1/customer-sites/sites/{quote(site_id)}"
            if name in self._hub.processes:
                with suppress(URLError, ConnectionError, TimeoutError, json.JSONDecodeError):
                    self.judge(site_id, *get(url))
            time.sleep(0.01)

    def judge(self, site_id: str, status: int, body: dict[str, object]) -> None:
        """Note the answer if it was never true."""
        if status == 200:
            self.answers += 1
            self.stale += "stale_by_seconds" in body
            self._seen.add(site_id)
            version, history = body["version"], self._history[site_id]
            shown = json.dumps([body["attributes"], body["contract_info"]], sort_keys=True)
            if not isinstance(version, int) or not 1 <= version <= len(history) or history[version - 1] != shown:
                self.violations.append(f"{site_id}: version {version} never was {shown}")
        elif status == 404 and site_id in self._seen:
            self.violations.append(f"{site_id}: denied although it was there")
        elif status not in (404, 503):
            self.violations.append(f"{site_id}: HTTP {status} {body}")


class Gaps:
    """The longest time without a new command while events came."""

    def __init__(self, hub: Hub) -> None:
        self.longest_seconds = 0.0
        self._hub = hub
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        consumer = Consumer(
            {
                "bootstrap.servers": self._hub.bootstrap,
                "group.id": f"{self._hub.prefix}gaps",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        topic = self._hub.topic("billing-commands")
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        last = time.monotonic()
        while not self._stop.is_set():
            messages = [one for one in consumer.consume(500, 0.1) if one.error() is None]
            if messages:
                now = time.monotonic()
                self.longest_seconds, last = max(self.longest_seconds, now - last), now
        consumer.close()
