"""`sitehub target check` against real servers."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from sitehub.cli import main
from sitehub.tests.clients.raw_server import Behaviour, RawServer, answering, hanging_after, serving

CONFIG = Path(__file__).parents[2] / "config"
KEY = "key-of-this-test"


@contextmanager
def beside(behaviour: Behaviour) -> Iterator[RawServer]:
    """A server in a thread of its own: the command has the main one."""
    ready, ended, servers = threading.Event(), threading.Event(), list[RawServer]()

    async def serve() -> None:
        async with serving(behaviour) as server:
            servers.append(server)
            ready.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    try:
        yield servers[0]
    finally:
        ended.set()
        thread.join()


def check(tmp_path: Path, url: str, *arguments: str, key: str = KEY, **block: Any) -> Result:
    overlay = tmp_path / "overlay.json"
    overlay.write_bytes(orjson.dumps({"billing_integration": {"api_endpoint": url, **block}}))
    environment = {
        "SITEHUB_CONFIG": f"{CONFIG}:{overlay}",
        "SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY": key,
    }
    return CliRunner().invoke(main, ["target", "check", *arguments], env=environment)


@pytest.mark.parametrize(
    ("status", "code", "told"),
    [(200, 0, "ok"), (404, 1, "set health_path"), (401, 1, "does not take the credentials"), (503, 1, "HTTP 503")],
)
def test_it_says_what_is_wrong(tmp_path: Path, status: int, code: int, told: str) -> None:
    body = b'{"why": "%b"}' % KEY.encode()
    with beside(answering(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))) as server:
        result = check(tmp_path, server.url, "billing", health_path="/up")
    assert (result.exit_code, server.calls[0].head.split("\r\n")[0]) == (code, "GET /up HTTP/1.1")
    assert told in result.output
    assert KEY not in result.output


def test_as_json_it_has_steps(tmp_path: Path) -> None:
    with beside(answering(b"HTTP/1.1 204 X\r\n\r\n")) as server:
        found = orjson.loads(check(tmp_path, server.url, "billing", "--json").output)
    assert (found["target"], found["ok"], [step["step"] for step in found["steps"]]) == (
        "billing",
        True,
        ["log in", f"GET {server.url}/health"],
    )


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (answering(b"HTTP/1.1 400 X\r\nContent-Length: 0\r\n\r\n"), "HTTP 400"),
        (answering(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}"), "no access_token"),
        (hanging_after(b""), "no answer within 0.2 s"),
    ],
)
def test_a_login_that_fails_is_told_without_its_secrets(tmp_path: Path, behaviour: Behaviour, told: str) -> None:
    with beside(behaviour) as server:
        login = {
            "type": "oauth2",
            "client_id": "hub",
            "client_secret": f"{KEY}-1",
            "token_endpoint": f"{server.url}/token?k={KEY}-2",
        }
        result = check(tmp_path, "http://127.0.0.1:9", "billing", "--json", authentication=login, timeout=200)
    (step,) = orjson.loads(result.output)["steps"]
    assert (result.exit_code, step["step"], step["ok"]) == (1, "log in", False)
    assert step["error"].startswith("the token endpoint gives no token: ")
    assert told in step["error"]
    assert KEY not in result.output
    assert server.calls[0].head.startswith(f"POST /token?k={KEY}-2 ")


@pytest.mark.parametrize("address", ["http://h:70000", "http://h:abc", f"http://hub:{KEY}@h"])
def test_an_address_that_can_not_work_is_a_mistake_of_the_configuration(tmp_path: Path, address: str) -> None:
    result = check(tmp_path, address, "billing")
    assert (result.exit_code, "billing_integration.api_endpoint" in result.output) == (1, True)
    assert KEY not in result.output


def test_nobody_there_and_no_secret_are_told(tmp_path: Path) -> None:
    away = check(tmp_path, "http://127.0.0.1:9", "billing")
    assert (away.exit_code, "Connect" in away.output) == (1, True)
    keyless = check(tmp_path, "http://127.0.0.1:9", "billing", key="")
    assert (keyless.exit_code, "authentication.api_key is missing" in keyless.output) == (1, True)


def test_an_unknown_target_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    result = check(tmp_path, "http://127.0.0.1:9", "biling")
    assert (result.exit_code, "targets: billing" in result.output) == (2, True)
