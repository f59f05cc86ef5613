"""The stand-in targets over HTTP: behaviour as told, and a log of what came in."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from sitehub.dev.target_billing import Change
from sitehub.dev.target_journal import Journal
from sitehub.dev.target_mode import Mode
from sitehub.dev.targets import Target, create_targets

KEY = {"X-API-Key": "secret"}
ANNA = {"customer_id": "a", "customer_name": "Anna"}
RUN = [sys.executable, "-c", "from sitehub.dev.targets_command import targets; targets()", "run", "--port", "0"]

Client = TestClient[Any, Any]


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target("secret", Journal(tmp_path / "billing.ndjson"))


@pytest.fixture
async def client(target: Target) -> AsyncIterator[Client]:
    server = TestServer(create_targets(target))
    async with TestClient(server) as client:
        yield client
    assert target.journal is not None
    target.journal.close()


async def post(client: Client, key: str = "e1:create", **headers: str) -> aiohttp.ClientResponse:
    return await client.post("/v1/customers", json=ANNA, headers={**KEY, "Idempotency-Key": key, **headers})


async def control(client: Client, **mode: Any) -> None:
    assert (await client.post("/_control", json=mode)).status == 200


async def stats(client: Client) -> dict[str, Any]:
    fields: dict[str, Any] = await (await client.get("/_stats")).json()
    return fields


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}])
async def test_a_call_without_the_right_key_is_unauthorized(client: Client, headers: dict[str, str]) -> None:
    assert (await client.post("/customers", json=ANNA, headers=headers)).status == 401
    assert (await stats(client))["customers"] == 0


async def test_a_repeated_call_has_the_same_answer_and_is_counted(client: Client) -> None:
    first, second = await post(client), await post(client)
    assert (first.status, await first.json()) == (second.status, await second.json())
    assert second.headers["Idempotency-Replayed"] == "true"
    counted = await stats(client)
    assert (counted["calls"], counted["delivered"], counted["repeated"], counted["customers"]) == (2, 2, 1, 1)


async def test_the_log_tells_each_call_in_order(client: Client) -> None:
    await post(client, **{"X-Correlation-ID": "e1", "X-Sitehub-Config": "c0ffee"})
    await client.put("/customers/a%2Fb", json={"customer_name": "B"}, headers=KEY)
    first, second = await (await client.get("/_calls")).json()
    assert (first["number"], first["method"], first["path"], first["site_id"]) == (1, "POST", "/customers", "a")
    assert (first["idempotency_key"], first["correlation_id"], first["config_id"]) == ("e1:create", "e1", "c0ffee")
    assert (first["body"], first["status"], first["applied"]) == (ANNA, 201, True)
    assert (second["path"], second["status"], second["applied"]) == ("/customers/a%2Fb", 404, False)
    assert [call["number"] for call in await (await client.get("/_calls?since=1")).json()] == [2]


async def test_it_fails_as_told_and_recovers(client: Client) -> None:
    await control(client, mode="fail", status=429, retry_after="7")
    refused = await post(client)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "7")
    assert (await client.get("/health")).status == 503
    await control(client, mode="ok")
    assert (await post(client)).status == 201
    assert (await client.get("/v1/health")).status == 200


async def test_a_share_of_the_calls_fails(client: Client) -> None:
    await control(client, mode="fail", status=500, fail_rate=0.5)
    statuses = [(await post(client)).status for _ in range(200)]
    assert 60 < statuses.count(500) < 140


async def test_a_failing_answer_quotes_the_credentials_if_told_so(client: Client) -> None:
    await control(client, mode="fail", status=500, quotes=True)
    assert "X-API-Key: secret" in (await (await post(client)).json())["detail"]


async def test_a_call_can_take_effect_before_it_fails(client: Client) -> None:
    await control(client, mode="fail", fault="close", applied=True)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await post(client)
    await control(client, mode="ok")
    assert (await post(client)).headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("mode", [{"mode": "down"}, {"mode": "fail", "fault": "close"}])
async def test_a_connection_is_closed_without_an_answer(client: Client, mode: dict[str, Any]) -> None:
    await control(client, **mode)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await post(client)
    counted = await stats(client)
    assert (counted["failed"], counted["in_flight"], counted["customers"]) == (1, 0, 0)


async def test_each_behaviour_is_counted_as_what_it_is_since_it_was_told(client: Client) -> None:
    await control(client, mode="down")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await post(client)
    assert (await stats(client))["behaved"] == {"down": 1}
    await control(client, mode="fail", fault="garbage", times=1)
    assert [(await post(client)).status for _ in range(2)] == [200, 201]
    assert (await stats(client))["behaved"] == {"garbage": 1, "answer": 1}
    await control(client, mode="fail", status=401)
    await post(client)
    assert (await stats(client))["behaved"] == {"HTTP 401": 1}
    await control(client, mode="slow", latency_ms=100)
    await post(client)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(client), 0.02)
    async with asyncio.timeout(5):
        while (await stats(client))["behaved"].get("given_up_on") != 1:
            await asyncio.sleep(0.01)
    assert (await stats(client))["behaved"]["slow"] == 1


async def test_garbage_and_half_an_answer(client: Client) -> None:
    await control(client, mode="fail", fault="garbage")
    garbage = await post(client)
    assert (garbage.status, garbage.content_type) == (200, "text/html")
    await control(client, mode="fail", fault="half")
    half = await post(client)
    with pytest.raises(aiohttp.ClientPayloadError):
        await half.read()


async def test_a_reset_connection_is_told_as_such(client: Client) -> None:
    await control(client, mode="fail", fault="reset")
    with pytest.raises(aiohttp.ClientOSError, match="reset"):
        await post(client)


@pytest.mark.parametrize(("fault", "least"), [("headers", 0), ("dribble", 1)])
async def test_an_answer_begins_and_does_not_end(client: Client, fault: str, least: int) -> None:
    await control(client, mode="fail", fault=fault)
    begun = await post(client)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(begun.read(), 0.2)
    assert begun.content.total_bytes >= least


async def test_only_the_first_calls_with_a_key_fail(client: Client) -> None:
    await control(client, mode="fail", status=401, times=1)
    assert [(await post(client, key)).status for key in ("k1", "k1", "k2", "k2", "k2")] == [401, 201, 401, 200, 200]


async def test_of_several_modes_the_first_that_fits_a_call_holds(client: Client) -> None:
    modes = [
        {"mode": "fail", "status": 503, "paths": ["x-"]},
        {"mode": "fail", "status": 404, "paths": ["/customers/"]},
    ]
    assert (await client.post("/_control", json=modes)).status == 200
    made = [
        ("POST", "/customers", {"customer_id": "x-1"}),
        ("PUT", "/customers/x-1", {}),
        ("PUT", "/customers/y-1", {}),
    ]
    statuses = [(await client.request(how, path, json=body, headers=KEY)).status for how, path, body in made]
    assert [*statuses, (await post(client)).status] == [503, 503, 404, 201]


@pytest.mark.parametrize(("now", "fails"), [(0.0, True), (0.9, True), (1.0, False), (1.9, False), (2.0, True)])
def test_a_flapping_target_fails_every_second_period(now: float, fails: bool) -> None:  # noqa: FBT001 -- expected
    assert Mode(mode="fail", flap_ms=1000).fails(Random(1), now=now) is fails


async def test_a_token_is_taken_as_long_as_it_lives(client: Client) -> None:
    form = {"grant_type": "client_credentials", "client_id": "hub", "client_secret": "secret"}
    assert (await client.post("/oauth/token", data={**form, "client_secret": "wrong"})).status == 401
    assert (await client.post("/oauth/token", data={**form, "grant_type": "password"})).status == 400
    told = await (await client.post("/oauth/token", data=form)).json()
    login = {"Authorization": f"Bearer {told['access_token']}"}
    assert (await client.post("/v1/customers", json=ANNA, headers=login)).status == 201
    assert (await client.post("/v1/customers", json=ANNA, headers={"Authorization": "Bearer x"})).status == 401
    await control(client, token_life_ms=0)
    assert (await client.post("/v1/customers", json=ANNA, headers=login)).status == 401
    assert (await client.post("/v1/customers", json=ANNA, headers={"Authorization": "Bearer x"})).status == 401
    assert (await stats(client))["behaved"] == {"expired_token": 1}


async def test_a_caller_that_gives_up_leaves_no_open_call_behind(client: Client, target: Target) -> None:
    await control(client, mode="slow", latency_ms=60_000)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(client), 0.2)
    async with asyncio.timeout(5):
        while target.log.in_flight:
            await asyncio.sleep(0.01)
    (call,) = target.log.since(0)
    assert (call.status, call.applied) == (0, True)


async def test_two_open_calls_about_one_site_are_an_overlap(client: Client) -> None:
    await control(client, latency_ms=100)
    await asyncio.gather(post(client, "k1"), post(client, "k2"))
    assert (await stats(client))["overlaps"] == 1


async def test_a_wrong_mode_is_refused_with_a_reason(client: Client) -> None:
    refused = await client.post("/_control", json={"mode": "okay"})
    assert refused.status == 400
    assert "okay" in (await refused.json())["detail"]


async def test_customers_and_keys_are_known_after_a_restart(client: Client, target: Target) -> None:
    await post(client)
    assert target.journal is not None
    again = Target("secret", Journal(target.journal.path))
    again.restore()
    assert again.billing.customers == target.billing.customers
    assert "e1:create" in again.billing.answers


def test_a_journal_that_a_crash_cut_short_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "billing.ndjson"
    changes = [Change("PUT", f"/customers/{name}", None, {}) for name in "ab"]
    for change in changes:
        journal = Journal(path)
        journal.append(change)
        journal.close()
        with path.open("ab") as file:
            file.write(b'["POST","/cust')
    assert list(Journal(path).changes()) == changes


def test_the_command_prints_a_ready_line_and_ends_on_sigterm(tmp_path: Path) -> None:
    command = [*RUN, "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready 127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
