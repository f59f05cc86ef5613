"""Look-ups over HTTP, answered by one view or by the view of the worker that has the site."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry
from yarl import URL

from sitehub.web.health import HealthView
from sitehub.web.server import web_application
from sitehub.web.sites import ROUTED, SEARCHED, SiteView

BASE = "/api/v1/customer-sites"
DELETED_AT = "2026-11-24T02:00:00.000Z"


@dataclass
class Worker:
    """What one worker has in its partitions, and where the others are."""

    sites: dict[str, str | None] = field(default_factory=dict)
    """When each site was deleted, None for a living one."""
    followed: dict[str, tuple[str | None, float]] = field(default_factory=dict)
    """Sites that it has as a standby: when each was deleted, and how many seconds old that is."""
    is_recovering: bool = False
    partitions: set[int] = field(default_factory=set)
    """Owned and recovered; each worker gets one unless it is said otherwise."""
    peers: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def look_up(self, site_id: str) -> tuple[bytes, str | None] | None:
        self.asked.append(site_id)
        if self.is_recovering:
            raise LookupError("recovering")
        if site_id not in self.sites:
            return None
        return orjson.dumps({"site_id": site_id, "worker": self.url}), self.sites[site_id]

    def look_up_stale(self, site_id: str) -> tuple[bytes, str | None, float] | None:
        if site_id not in self.followed:
            return None
        deleted_at, seconds = self.followed[site_id]
        return orjson.dumps({"site_id": site_id, "stale_by_seconds": seconds}), deleted_at, seconds


@asynccontextmanager
async def listening(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(*workers: Worker) -> AsyncIterator[None]:
    """Each worker on its own port; those that name no peers know all the others."""
    async with aiohttp.ClientSession() as client:
        servers: list[AbstractAsyncContextManager[str]] = []
        for worker in workers:
            worker.partitions = worker.partitions or {len(servers)}
            view = SiteView(
                worker.look_up,
                worker.look_up_stale,
                owned=lambda worker=worker: worker.partitions,  # type: ignore[misc]
                partitions=len(workers),
                peers=lambda _id, worker=worker: worker.peers,  # type: ignore[misc]
                client=client,
            )
            health = HealthView(dict, lambda: {"ready": True}, CollectorRegistry())
            servers.append(listening(web_application(BASE, view, health)))
            worker.url = await servers[-1].__aenter__()
        for worker in workers:
            worker.peers = worker.peers or [other.url for other in workers if other is not worker]
        yield
        for server in servers:
            await server.__aexit__(None, None, None)


@dataclass
class Found:
    status: int
    body: Any
    content_type: str
    headers: dict[str, str]


async def request(url: str, method: str = "GET", **headers: str) -> Found:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url, encoded=True), headers=headers) as response,
    ):
        body = await response.read()
        return Found(
            response.status, orjson.loads(body) if body else None, response.content_type, dict(response.headers)
        )


async def get(worker: Worker, site_id: str, **headers: str) -> Found:
    return await request(f"{worker.url}{BASE}/sites/{quote(site_id, safe='')}".replace("/..", "/%2E%2E"), **headers)


def is_problem(found: Found) -> bool:
    body = found.body
    return (
        found.content_type == "application/problem+json"
        and body["status"] == found.status
        and bool(body["title"] and body["detail"] and body["type"])
    )


async def test_a_site_that_is_here_is_answered_at_once() -> None:
    here, there = Worker({"s1": None}), Worker()
    async with serving(here, there):
        found = await get(here, "s1")

    assert (found.status, found.content_type) == (200, "application/json")
    assert found.body == {"site_id": "s1", "worker": here.url}
    assert there.asked == []


async def test_an_unknown_site_is_a_problem_with_its_id() -> None:
    here, there = Worker(), Worker()
    async with serving(here, there):
        found = await get(here, "a/b")

    assert (found.status, is_problem(found), found.body["site_id"]) == (404, True, "a/b")


async def test_a_deleted_site_is_gone_since_a_time() -> None:
    here = Worker({"s1": DELETED_AT})
    async with serving(here):
        found = await get(here, "s1")

    assert (found.status, is_problem(found)) == (410, True)
    assert (found.body["site_id"], found.body["deleted_at"]) == ("s1", DELETED_AT)
    assert DELETED_AT in found.body["detail"]


@pytest.mark.parametrize(
    "site_id", ["s1", "a/b", "a%2Fb", "a%b", "Zürich-東京", "a b", "?x=1", "#1", "..", "👨‍👩‍👧", "a\nb", "x" * 1024]
)
async def test_any_id_is_found_by_its_percent_encoded_path_on_whichever_worker_is_asked(site_id: str) -> None:
    here, there = Worker({site_id: None}), Worker()
    async with serving(here, there):
        direct, routed = await get(here, site_id), await get(there, site_id)

    assert (direct.status, routed.status) == (200, 200)
    assert direct.body == routed.body == {"site_id": site_id, "worker": here.url}


async def test_an_encoded_slash_is_part_of_the_id_in_either_case() -> None:
    here = Worker({"a/b": None})
    async with serving(here):
        statuses = [(await request(f"{here.url}{BASE}/sites/{path}")).status for path in ("a%2Fb", "a%2fb", "a/b")]

    assert statuses == [200, 200, 404]


@pytest.mark.parametrize("path", ["", "x" * 1025, "%C3%A4" * 1025, "%00", "%00%00offset"])
async def test_what_no_site_can_be_called_is_a_bad_request(path: str) -> None:
    here = Worker()
    async with serving(here):
        found = await request(f"{here.url}{BASE}/sites/{path}")

    assert (found.status, is_problem(found)) == (400, True)
    assert here.asked == []


@pytest.mark.parametrize("path", ["%FF", "a%C3", "%ED%A0%80", "%", "%zz"])
async def test_bytes_that_are_no_text_are_an_error_of_the_caller(path: str) -> None:
    here = Worker({"s1": None})
    async with serving(here):
        found = await request(f"{here.url}{BASE}/sites/{path}")

    assert found.status in {400, 404}
    assert is_problem(found)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_method_that_is_not_allowed_is_a_problem_that_says_which_are(method: str) -> None:
    here = Worker({"s1": None})
    async with serving(here):
        found = await request(f"{here.url}{BASE}/sites/s1", method)

    assert (found.status, is_problem(found)) == (405, True)
    assert "GET" in found.headers["Allow"]


async def test_an_unknown_path_is_a_problem() -> None:
    here = Worker()
    async with serving(here):
        found = await request(f"{here.url}/nowhere")

    assert (found.status, is_problem(found)) == (404, True)


async def test_a_site_of_another_worker_is_answered_by_it() -> None:
    asked, owner, third = Worker(), Worker({"s1": None}), Worker()
    async with serving(asked, owner, third):
        found = await get(asked, "s1")

    assert (found.status, found.body["worker"]) == (200, owner.url)
    assert third.asked == ["s1"]


async def test_a_deleted_site_of_another_worker_is_gone() -> None:
    asked, owner = Worker(), Worker({"s1": DELETED_AT})
    async with serving(asked, owner):
        found = await get(asked, "s1")

    assert (found.status, is_problem(found), found.body["deleted_at"]) == (410, True, DELETED_AT)


async def test_a_question_from_another_worker_is_not_asked_on() -> None:
    asked, owner = Worker(), Worker({"s1": None})
    async with serving(asked, owner):
        found = await get(asked, "s1", **{ROUTED: "1"})

    assert (found.status, found.headers[SEARCHED]) == (404, "0")
    assert owner.asked == []


async def test_a_recovering_worker_tells_another_that_it_searched_nothing() -> None:
    asked = Worker(is_recovering=True)
    async with serving(asked):
        found = await get(asked, "s1", **{ROUTED: "1"})

    assert is_ask_again(found)
    assert SEARCHED not in found.headers


async def test_a_site_is_denied_only_after_every_partition_was_searched() -> None:
    """While a partition passes from one worker to another, for a moment none of the two has it."""
    asked, other = Worker(), Worker()
    async with serving(asked, other):
        assert (await get(asked, "s1")).status == 404
        other.partitions = set()
        assert is_ask_again(await get(asked, "s1"))
        asked.partitions = {0, 1}
        assert (await get(asked, "s1")).status == 404
        asked.peers = []
        assert (await get(asked, "s1")).status == 404


async def test_a_worker_that_nobody_knows_yet_is_missed() -> None:
    asked, owner = Worker(peers=["http://127.0.0.1:9"]), Worker({"s1": None})
    async with serving(asked, owner):
        asked.peers = []
        assert is_ask_again(await get(asked, "s1"))
        asked.peers = [owner.url]
        assert (await get(asked, "s1")).status == 200


def is_ask_again(found: Found) -> bool:
    return found.status == 503 and is_problem(found) and int(found.headers["Retry-After"]) > 0


async def test_while_this_worker_recovers_what_nobody_else_has_is_to_be_asked_again() -> None:
    asked, other = Worker(is_recovering=True), Worker({"s2": None})
    async with serving(asked, other):
        assert is_ask_again(await get(asked, "s1"))
        assert (await get(asked, "s2")).status == 200
        asked.is_recovering = False
        assert (await get(asked, "s1")).status == 404


async def test_while_the_owner_recovers_a_site_is_to_be_asked_again() -> None:
    asked, owner = Worker(), Worker({"s1": None}, is_recovering=True)
    async with serving(asked, owner):
        assert is_ask_again(await get(asked, "s1"))
        owner.is_recovering = False
        assert (await get(asked, "s1")).status == 200


async def test_while_another_worker_cannot_be_reached_a_site_is_to_be_asked_again() -> None:
    asked, owner = Worker(peers=["http://127.0.0.1:9/"]), Worker({"s2": None})
    async with serving(asked, owner):
        asked.peers.append(owner.url)

        assert (await get(asked, "s1")).status == 404
        owner.partitions = set()
        assert is_ask_again(await get(asked, "s1"))
        assert (await get(asked, "s2")).status == 200


@asynccontextmanager
async def odd_peer(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_get("/{path:.*}", handler)
    async with listening(application) as url:
        yield url


@pytest.mark.parametrize("status", [302, 400, 500, 503])
async def test_an_odd_answer_of_one_worker_hides_no_good_one(status: int) -> None:
    async def odd(_request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": "/"})

    asked, owner = Worker(), Worker({"s1": None})
    async with odd_peer(odd) as url, serving(asked, owner):
        asked.peers.insert(0, url)

        assert (await get(asked, "s1")).status == 200
        assert (await get(asked, "s2")).status == 404


async def test_a_worker_that_does_not_answer_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sitehub.web.sites.ASK_SECONDS", 0.1)
    going = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await going.wait()
        return web.Response()

    asked = Worker()
    async with odd_peer(silent) as url, serving(asked):
        asked.peers, asked.partitions = [url], set()

        assert is_ask_again(await get(asked, "s1"))
        going.set()


async def test_a_bug_is_a_problem_that_tells_nothing_of_the_inside(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Worker):
        def look_up(self, site_id: str) -> tuple[bytes, str | None] | None:
            raise ZeroDivisionError(f"inside {site_id}")

    here = Broken()
    async with serving(here):
        found = await get(here, "s1")

    assert (found.status, is_problem(found), "inside" in str(found.body)) == (500, True, False)
    assert "ZeroDivisionError: inside s1" in caplog.text


async def test_a_site_whose_owner_is_missing_is_answered_by_the_freshest_standby_with_its_age() -> None:
    asked = Worker(partitions={0})
    older, fresher = Worker(followed={"s1": (None, 7.5)}, partitions={0}), Worker(followed={"s1": (None, 0.25)})
    gone = Worker()
    async with serving(asked, older, fresher, gone):
        asked.peers = [older.url, fresher.url, "http://127.0.0.1:9"]
        answer = await get(asked, "s1")

    assert (answer.status, answer.body) == (200, {"site_id": "s1", "stale_by_seconds": 0.25})


async def test_the_asked_workers_own_standby_answers_when_no_other_worker_is_there() -> None:
    asked = Worker(followed={"s1": (None, 3.0), "s2": (DELETED_AT, 4.0)})
    async with serving(asked, Worker()):
        asked.peers = ["http://127.0.0.1:9"]
        living, deleted = await get(asked, "s1"), await get(asked, "s2")

    assert (living.status, living.body["stale_by_seconds"]) == (200, 3.0)
    assert (deleted.status, deleted.body["stale_by_seconds"], deleted.body["deleted_at"]) == (410, 4.0, DELETED_AT)


async def test_the_owners_answer_goes_before_any_standbys() -> None:
    asked, owner = Worker(followed={"s1": (None, 0.0)}), Worker({"s1": None})
    standby = Worker(followed={"s1": (None, 0.0)})
    async with serving(asked, standby, owner):
        answer = await get(asked, "s1")

    assert answer.body == {"site_id": "s1", "worker": owner.url}
