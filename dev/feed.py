"""An endless, believable stream of site events about real places. The same seed gives the same stream."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from sitehub.dev.feed_faults import broken
from sitehub.dev.places import Place, us_airports
from sitehub.dev.site_history import Payload, SiteHistory

VERSION = "1.0"
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
EVENT_SPACING = timedelta(milliseconds=10)
REMEMBERED = 200
LATE = timedelta(minutes=5)
UUID_BITS = 128
LEAST_ALIVE = 0.9

Headers = list[tuple[str, bytes]]


class Record(NamedTuple):
    """One record to publish. `kind` says what it is for; `reason` why it can't be applied, None if it can."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    kind: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each kind is drawn, relative to the others.

    A kind that can't happen (yet, or any more) gives way to a creation while there are no sites, else to a renaming.
    """

    creation: int = 30
    territory: int = 8
    move: int = 6
    renaming: int = 14
    capacity: int = 10
    contract: int = 16
    repetition: int = 6
    late: int = 2
    deletion: int = 1
    duplicate: int = 5
    malformed: int = 2

    def weights(self) -> dict[str, int]:
        """Return the weight of each kind by its name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Feed:
    """Events about `sites` real places. `now(number)` is the event time of the record with that number, from 0.

    One site in `waits_one_in` is created without a territory and gets it later.
    """

    seed: int = 7
    sites: int = 2000
    mix: Mix = field(default_factory=Mix)
    now: Callable[[int], datetime] = lambda number: EPOCH + number * EVENT_SPACING
    waits_one_in: int = 10

    def records(self, first: int = 0) -> Iterator[Record]:
        """Yield the stream from record number `first` on, without end. What came before is worked out, not yielded."""
        return islice(_Stream(self).records(), first, None)


class _Stream:
    def __init__(self, feed: Feed) -> None:
        places = us_airports()
        if not 0 < feed.sites <= len(places):
            raise ValueError(f"the feed knows {len(places)} places: ask for 1 to {len(places)} sites, not {feed.sites}")
        self.feed = feed
        self.random = Random(feed.seed)
        self.to_create = list(places[: feed.sites])
        self.random.shuffle(self.to_create)
        self.places_by_state: dict[str, list[Place]] = {}
        for place in places[: feed.sites]:
            self.places_by_state.setdefault(place.state, []).append(place)
        self.living: list[SiteHistory] = []
        self.without_territory: deque[SiteHistory] = deque()
        self.sent: deque[Record] = deque(maxlen=REMEMBERED)
        self.number = 0
        weights = feed.mix.weights()
        self.kinds, self.weights = list(weights), list(weights.values())

    def records(self) -> Iterator[Record]:
        while True:
            record = self._record(self._kind())
            if record.reason is None:
                self.sent.append(record)
            self.number += 1
            yield record

    def _kind(self) -> str:
        kind = self.random.choices(self.kinds, self.weights)[0]
        if not self.living:
            return "creation"
        possible = {
            "creation": bool(self.to_create),
            "territory": bool(self.without_territory),
            "deletion": not self.to_create and len(self.living) - 1 >= self.feed.sites * LEAST_ALIVE,
        }
        return kind if possible.get(kind, True) else "renaming"

    def _record(self, kind: str) -> Record:
        if kind == "creation":
            return self._created()
        if kind == "duplicate":
            return self.random.choice(self.sent)._replace(kind="duplicate")
        if kind == "territory":
            site = self.without_territory.popleft()
            return self._event(site, "site_updated", site.territory_assignment(), kind)
        site = self.living[self.random.randrange(len(self.living))]
        if kind == "malformed":
            return self._malformed(site)
        if kind == "deletion":
            return self._deleted(site)
        event_type = "contract_updated" if kind == "contract" else "site_updated"
        return self._event(site, event_type, self._change(site, kind), kind)

    def _change(self, site: SiteHistory, kind: str) -> Payload:
        match kind:
            case "move":
                others = [place for place in self.places_by_state[site.place.state] if place is not site.place]
                return site.move(self.random.choice(others or [site.place]), self.random)
            case "capacity":
                return site.capacity_change(self.random)
            case "contract":
                return site.contract_change(self.random)
            case "repetition":
                return site.repetition(self.random)
            case _:
                return site.renaming(self.random)

    def _created(self) -> Record:
        place = self.to_create.pop()
        site = SiteHistory(f"site-{place.code.lower()}", place)
        has_territory = self.random.randrange(self.feed.waits_one_in) != 0
        self.living.append(site)
        if not has_territory:
            self.without_territory.append(site)
        return self._event(site, "site_created", site.creation(self.random, has_territory=has_territory), "creation")

    def _deleted(self, site: SiteHistory) -> Record:
        self.living.remove(site)
        if site in self.without_territory:
            self.without_territory.remove(site)
        return self._event(site, "site_deleted", {"reason": "contract ended"}, "deletion")

    def _malformed(self, site: SiteHistory) -> Record:
        payload = {"changed_fields": ["name"], "old_values": {}, "new_values": {"name": site.attributes["name"]}}
        key, value, reason = broken(self._fields(site, "site_updated", payload, "malformed"), self.random)
        return Record(key, value, _headers("site_updated"), "malformed", reason)

    def _event(self, site: SiteHistory, event_type: str, payload: Payload, kind: str) -> Record:
        value = orjson.dumps(self._fields(site, event_type, payload, kind))
        return Record(site.site_id.encode(), value, _headers(event_type), kind, None)

    def _fields(self, site: SiteHistory, event_type: str, payload: Payload, kind: str) -> dict[str, Any]:
        time = self.feed.now(self.number) - (LATE if kind == "late" else timedelta())
        return {
            "event_type": event_type,
            "event_id": str(UUID(int=self.random.getrandbits(UUID_BITS), version=4)),
            "event_timestamp": time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "site_id": site.site_id,
            **payload,
        }


def _headers(event_type: str) -> Headers:
    return [("event_type", event_type.encode())]
