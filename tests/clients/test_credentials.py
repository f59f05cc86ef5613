"""Who calls is proven as configured, renewed when it must be, and never shown."""

import asyncio
import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
import trustme

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.clients.credentials import Beside, Credentials, Fixed, Proof, Signed, basic, bearer
from sitehub.clients.oauth import FRESH_SHARE, PAUSE_SECONDS, Client, ClientCredentials
from sitehub.clients.target import Target, TargetSettings
from sitehub.clients.tls import TlsFiles
from sitehub.rules.retry import StatusRules
from sitehub.settings import load_settings
from sitehub.tests.clients.raw_server import Behaviour, Call, answering, hanging_after, serving
from sitehub.tests.clients.test_target import COMMAND
from sitehub.wiring import target_settings

SECRET = "s3cret-of-the-hub"  # noqa: S105 -- of no real hub


def http(status: int, document: Any = None) -> bytes:
    body = orjson.dumps(document) if document is not None else b""
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def in_turn(*answers: bytes) -> Behaviour:
    """Each call gets the next answer, the last one for ever."""
    left = list(answers)

    async def behave(call: Call) -> None:
        await answering(left.pop(0) if len(left) > 1 else left[0])(call)

    return behave


async def call(url: str, credentials: Credentials, times: int = 1, **changes: Any) -> list[Answer]:
    settings = replace(TargetSettings("t", url, {}, 5.0, 64, credentials), **changes)
    async with Target(settings) as target:
        return list(await asyncio.gather(*(target.call(COMMAND) for _ in range(times))))


def constant(text: str = SECRET) -> Callable[[], str]:
    return lambda: text


@pytest.mark.parametrize(
    ("credentials", "name", "value"),
    [
        (Fixed({"X-API-Key": constant()}), "X-API-Key", SECRET),
        (Fixed({"Authorization": bearer(constant())}), "Authorization", f"Bearer {SECRET}"),
        (
            Fixed({"Authorization": basic(constant("hub"), constant())}),
            "Authorization",
            "Basic " + base64.b64encode(f"hub:{SECRET}".encode()).decode(),
        ),
    ],
)
async def test_what_is_fixed_stands_in_a_header(credentials: Fixed, name: str, value: str) -> None:
    async with serving(answering(http(200))) as server:
        assert await call(server.url, credentials) == [Delivered(200)]
    assert server.calls[0].headers[name] == value


async def test_a_signature_covers_time_and_body() -> None:
    async with serving(answering(http(200))) as server:
        await call(server.url, Signed(constant()))
    stamp, _, digest = server.calls[0].headers["X-Sitehub-Signature"].partition(",v1=")
    stamp = stamp.removeprefix("t=")
    assert abs(int(stamp) - time.time()) < 60
    assert digest == hmac.new(SECRET.encode(), stamp.encode() + b"." + server.calls[0].body, hashlib.sha256).hexdigest()


async def test_parameters_and_an_arcgis_token_are_in_the_address() -> None:
    async with serving(answering(http(200))) as server:
        await call(server.url, Fixed(query={"token": constant("a b&c")}), query={"f": "json"})
    assert server.calls[0].head.startswith("POST /customers?f=json&token=a+b%26c HTTP/1.1")


def growing() -> Callable[[], str]:
    """A key that is another one whenever it is read."""
    numbers = count(1)
    return lambda: f"key-{next(numbers)}"


@pytest.mark.parametrize("header", ["login", "beside"])
async def test_after_a_401_a_key_that_has_changed_meanwhile_is_tried_at_once(header: str) -> None:
    changing = Fixed({"X-Key": growing()})
    credentials = changing if header == "login" else Beside(Fixed({"X-Login": constant()}), changing)
    async with serving(in_turn(http(401), http(200))) as server:
        assert await call(server.url, credentials) == [Delivered(200)]
    assert len(server.calls) == 2


@pytest.mark.parametrize(
    "credentials",
    [
        Fixed(),
        Fixed({"X-Key": constant()}, {"token": constant()}),
        Signed(constant()),
        Beside(Signed(constant()), Fixed({"X-Key": constant()})),
    ],
)
async def test_after_a_401_the_same_proof_is_not_shown_again_within_one_permit(credentials: Credentials) -> None:
    async with serving(in_turn(http(401), http(200))) as server:
        assert await call(server.url, credentials) == [Unavailable("HTTP 401", 401, may_have_arrived=False)]
    assert len(server.calls) == 1


async def test_the_time_limit_covers_both_calls_if_the_first_was_a_401() -> None:
    async def slow(call: Call) -> None:
        await asyncio.sleep(0.6)
        await answering(http(200 if len(server.calls) > 1 else 401))(call)

    async with serving(slow) as server:
        credentials = Fixed({"X-Key": growing()})
        assert await call(server.url, credentials, timeout_seconds=1.0) == [Unavailable("no answer within 1 s")]
    assert len(server.calls) == 2


NO_TOKEN = "the token endpoint gives no token: no answer within 0.2 s"  # noqa: S105 -- no password
"""What those are told who wait for it."""


@pytest.mark.parametrize("timeout_seconds", [0.2, 5.0])
async def test_a_token_server_that_hangs_is_one_failure_and_not_64(timeout_seconds: float) -> None:
    async with serving(hanging_after(b"")) as login, serving(answering(http(200))) as server:
        client = Client(constant("hub"), constant())
        credentials = ClientCredentials(f"{login.url}/token", client, {}, timeout_seconds)
        answers = await call(server.url, credentials, times=64, timeout_seconds=0.2)
    told = [one for one in answers if isinstance(one, Unavailable)]
    assert {(one.error, one.may_have_arrived) for one in told} == {(NO_TOKEN, False)}
    assert (len(told), sum(one.counts for one in told), len(login.calls), server.calls) == (64, 1, 1, [])


async def test_each_refresh_that_fails_counts_anew() -> None:
    now, tokens = 0.0, TokenServer()
    tokens.is_down = True
    async with serving(tokens) as login:
        credentials = oauth(login.url, lambda: now)
        counted = 0
        for _ in range(3):
            answers = await call("http://127.0.0.1:9", credentials, times=8)
            counted += sum(isinstance(one, Unavailable) and one.counts for one in answers)
            now += PAUSE_SECONDS
    assert (counted, len(tokens.forms)) == (3, 3)


async def test_a_refresh_that_failed_while_nobody_waited_counts_once_it_is_missed() -> None:
    now, tokens = 0.0, TokenServer(life_seconds=100)
    async with serving(tokens) as login, serving(answering(http(200))) as server:
        credentials = oauth(login.url, lambda: now)
        await credentials.prove(b"", 0)
        tokens.is_down, now = True, 99.5
        assert credentials.at_hand(b"", 0) is not None
        await until(lambda: len(tokens.forms) == 2)
        await asyncio.sleep(0.1)
        now = 100.1
        answers = await call(server.url, credentials, times=8)
    assert sum(isinstance(one, Unavailable) and one.counts for one in answers) == 1
    assert len(tokens.forms) == 2


async def test_credentials_that_stay_refused_are_no_fault_of_the_command() -> None:
    async with serving(answering(http(401, {"hint": f"{SECRET} is unknown"}))) as server:
        (answer,) = await call(server.url, Fixed({"X-API-Key": constant()}))
    assert answer == Unavailable("HTTP 401", 401, '{"hint":"*** is unknown"}', may_have_arrived=False)


@pytest.mark.parametrize(
    ("status", "attempt", "kind"),
    [
        (409, "repeated", Delivered),
        (409, "first", Refused),
        (422, "first", Unavailable),
        (503, "first", Refused),
        (418, "repeated", Refused),
    ],
)
async def test_statuses_mean_what_the_configuration_says(status: int, attempt: str, kind: type) -> None:
    rules = StatusRules(retry_on=frozenset({422}), reject_on=frozenset({503}))
    async with (
        serving(answering(http(status))) as server,
        Target(TargetSettings("t", server.url, {}, 5.0, 4, statuses=rules)) as target,
    ):
        assert type(await target.call(COMMAND, repeated=attempt == "repeated")) is kind


class TokenServer:
    """What an authorization server gives."""

    def __init__(self, life_seconds: float = 3600.0) -> None:
        self.given = 0
        self.life_seconds = life_seconds
        self.is_down = False
        self.forms: list[dict[str, list[str]]] = []

    async def __call__(self, call: Call) -> None:
        self.forms.append(parse_qs(call.body.decode()))
        await asyncio.sleep(0.05)
        if self.is_down:
            await answering(http(500))(call)
            return
        self.given += 1
        document = {"access_token": f"token-{self.given}", "expires_in": self.life_seconds, "token_type": "Bearer"}
        await answering(http(200, document))(call)


def oauth(url: str, clock: Callable[[], float] = time.monotonic, **parameters: str) -> ClientCredentials:
    asked = {name: constant(text) for name, text in parameters.items()}
    return ClientCredentials(f"{url}/token", Client(constant("hub"), constant()), asked, 5.0, clock=clock)


async def test_one_token_serves_all_who_wait() -> None:
    tokens = TokenServer()
    async with serving(tokens) as login, serving(answering(http(200))) as server:
        answers = await call(server.url, oauth(login.url, scope="billing", audience="b"), times=64)
    assert answers == [Delivered(200)] * 64
    assert tokens.forms == [
        {
            "grant_type": ["client_credentials"],
            "client_id": ["hub"],
            "client_secret": [SECRET],
            "scope": ["billing"],
            "audience": ["b"],
        }
    ]
    assert {one.headers["Authorization"] for one in server.calls} == {"Bearer token-1"}


async def test_a_token_is_renewed_ahead_of_its_end_without_a_call_that_waits() -> None:
    now, tokens = 0.0, TokenServer(life_seconds=100)
    async with serving(tokens) as login:
        credentials = oauth(login.url, lambda: now)
        assert (await credentials.prove(b"", 0)).headers == {"Authorization": "Bearer token-1"}
        now = 100 * FRESH_SHARE + 1
        assert (await credentials.prove(b"", 0)).headers == {"Authorization": "Bearer token-1"}
        await until(lambda: "token-2" in credentials.secrets())
        assert (await credentials.prove(b"", 0)).headers == {"Authorization": "Bearer token-2"}
        await credentials.close()


async def test_a_token_that_still_works_bridges_an_outage_of_its_server() -> None:
    now, tokens = 0.0, TokenServer(life_seconds=100)
    async with serving(tokens) as login:
        credentials = oauth(login.url, lambda: now)
        await credentials.prove(b"", 0)
        tokens.is_down = True
        now = 99.0
        for _ in range(3):
            assert (await credentials.prove(b"", 0)).headers == {"Authorization": "Bearer token-1"}
            await asyncio.sleep(0.1)
        assert len(tokens.forms) == 2  # a failure is not asked for again at once
        await credentials.close()


async def test_401_renews_the_token_once_for_all() -> None:
    tokens = TokenServer()

    async def expired(call: Call) -> None:
        await answering(http(401 if call.headers["Authorization"].endswith("-1") else 200))(call)

    async with serving(tokens) as login, serving(expired) as server:
        assert await call(server.url, oauth(login.url), times=32) == [Delivered(200)] * 32
    assert tokens.given == 2


async def test_a_token_server_that_fails_is_one_failure_and_not_64() -> None:
    tokens = TokenServer()
    tokens.is_down = True
    async with serving(tokens) as login, serving(answering(http(200))) as server:
        credentials = oauth(login.url)
        answers = await call(server.url, credentials, times=64)
    assert all(isinstance(one, Unavailable) and "HTTP 500" in one.error for one in answers)
    assert sum(isinstance(one, Unavailable) and one.counts for one in answers) == 1
    assert (len(tokens.forms), server.calls) == (1, [])
    assert PAUSE_SECONDS > 0


async def test_a_long_token_is_read() -> None:
    document = {"access_token": "j" * 20_000, "expires_in": 60}
    async with serving(answering(http(200, document))) as login, serving(answering(http(200))) as server:
        assert await call(server.url, oauth(login.url)) == [Delivered(200)]
    assert server.calls[0].headers["Authorization"] == f"Bearer {document['access_token']}"


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("/token?tenant=seven%20of&nine=9", "/token?tenant=seven%20of&nine=9"),
        ("/token/", "/token/"),
        ("?tenant=7", "/?tenant=7"),
        ("", "/"),
    ],
)
async def test_a_token_is_asked_for_at_the_address_to_the_letter(address: str, asked: str) -> None:
    async with serving(answering(http(200, {"access_token": "t"}))) as login:
        client = Client(constant("hub"), constant())
        credentials = ClientCredentials(f"{login.url}{address}", client, {}, 5.0)
        await credentials.prove(b"", 0)
        await credentials.close()
    assert login.calls[0].head.split(" ")[1] == asked


async def test_what_the_token_endpoints_address_holds_is_not_shown() -> None:
    client = Client(constant("hub"), constant())
    credentials = ClientCredentials("http://127.0.0.1:9/token?k=hush-%C3%BC\x7f", client, {}, 5.0)
    (answer,) = await call("http://127.0.0.1:9", credentials)
    assert isinstance(answer, Unavailable)
    assert "percent-encoded" in answer.error
    assert "hush" not in answer.error + repr(credentials)


def test_a_logins_name_makes_a_secret_of_what_stands_beside_it_under_the_same() -> None:
    beside = Fixed(query={"place": constant("seen")}, shown=frozenset({"place"}))
    proof = Beside(Fixed({"place": constant()}), beside).at_hand(b"", 0)

    assert proof is not None
    assert SECRET in {*proof.secrets()}


async def test_the_clients_secret_is_masked_in_answers() -> None:
    async with serving(TokenServer()) as login, serving(answering(http(422, {"message": SECRET}))) as server:
        assert await call(server.url, oauth(login.url)) == [Refused(422, '{"message":"***"}')]


async def test_a_token_that_was_refused_is_masked_in_the_answer() -> None:
    async def refuse(call: Call) -> None:
        await answering(http(401, {"message": f"what is {call.headers['Authorization']}?"}))(call)

    async with serving(TokenServer()) as login, serving(refuse) as server:
        (answer,) = await call(server.url, oauth(login.url))
    assert isinstance(answer, Unavailable)
    assert answer.answer == '{"message":"what is ***?"}'


async def test_a_token_that_was_renewed_during_the_call_is_masked_in_its_answer() -> None:
    async with serving(TokenServer()) as login:
        credentials = oauth(login.url)

        async def renew(call: Call) -> None:
            credentials.refused(Proof({"Authorization": "Bearer token-1"}))
            await credentials.prove(b"", 0)
            await answering(http(422, {"message": f"what is {call.headers['Authorization'][7:]}?"}))(call)

        async with serving(renew) as server:
            assert await call(server.url, credentials) == [Refused(422, '{"message":"what is ***?"}')]


@pytest.mark.parametrize(
    ("header", "made", "quoted"),
    [
        ("X-API-Key", lambda get: get, str),
        ("Authorization", bearer, lambda value: value.removeprefix("Bearer ")),
        ("Authorization", lambda get: basic(constant("hub"), get), lambda value: value.removeprefix("Basic ")),
        (
            "Authorization",
            lambda get: basic(constant("hub"), get),
            lambda value: base64.b64decode(value.removeprefix("Basic ")).decode()[4:],
        ),
    ],
)
async def test_a_secret_that_was_rotated_during_the_call_is_masked_in_its_answer(
    header: str, made: Callable[[Callable[[], str]], Callable[[], str]], quoted: Callable[[str], str]
) -> None:
    secrets = ["first-secret"]

    async def rotate(call: Call) -> None:
        secrets.append("second-secret")
        await answering(http(422, {"message": f"what is {quoted(call.headers[header])}?"}))(call)

    async with serving(rotate) as server:
        answers = await call(server.url, Fixed({header: made(lambda: secrets[-1])}))
    assert answers == [Refused(422, '{"message":"what is ***?"}')]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"access_token": 7}', b'{"access_token": ""}', b"{"])
async def test_a_token_server_that_talks_rubbish_gives_no_token(body: bytes) -> None:
    async with serving(answering(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))) as login:
        (answer,) = await call("http://127.0.0.1:9", oauth(login.url))
    assert isinstance(answer, Unavailable)
    assert answer.error.startswith("the token endpoint gives no token: ")


async def test_an_answer_of_a_failure_is_kept_without_secrets_and_configured_members(tmp_path: Path) -> None:
    file = tmp_path / "tenant"
    file.write_text("first-tenant\n")
    found = billing(
        tmp_path,
        {f"{VARIABLE}AUTHENTICATION__PASSWORD": SECRET, f"{VARIABLE}QUERY__TENANT_KEY_FILE": str(file)},
        authentication={"type": "basic", "username": "hub", "password": "[encrypted_password]"},
        headers={"content-type": "application/vnd.billing+json", "X-Region": "west"},
        query={"tenant_key": "[encrypted_key]", "f": "json", "site": "{{site_id}} comes with each command"},
        masked_fields=["iban"],
    )
    answer = {"asked": f"first-tenant west json {SECRET}", "iban": "DE02"}
    async with (
        serving(answering(http(422, answer))) as server,
        Target(replace(found, api_endpoint=server.url)) as target,
    ):
        refused = await target.call(COMMAND)
        file.write_text("second-tenant\n")
        await target.call(COMMAND)
    first, second = server.calls
    assert refused == Refused(422, '{"asked":"*** west json ***","iban":"***"}')
    assert (first.headers["Content-Type"], first.headers["X-Region"]) == ("application/vnd.billing+json", "west")
    assert [one.head.split(" ")[1] for one in (first, second)] == [
        "/customers?tenant_key=first-tenant&f=json",
        "/customers?tenant_key=second-tenant&f=json",
    ]


def test_a_header_whose_secret_is_missing_turns_the_target_off(tmp_path: Path) -> None:
    off = billing_or_why(tmp_path, {f"{VARIABLE}AUTHENTICATION__API_KEY": SECRET}, headers={"X-Key": "[encrypted_key]"})
    assert off == "the secret of billing_integration.headers.X-Key is missing"


async def test_the_token_endpoint_is_believed_with_the_targets_authorities(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http(200, {"access_token": "t"}))
        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    found = billing(
        tmp_path,
        {f"{VARIABLE}AUTHENTICATION__CLIENT_SECRET": SECRET},
        authentication={
            "type": "oauth2",
            "client_id": "hub",
            "client_secret": "[encrypted_secret]",
            "token_endpoint": f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/token",
        },
        tls={"ca_file": str(tmp_path / "ca.pem")},
    )
    async with server:
        assert (await found.credentials.prove(b"", 0)).headers == {"Authorization": "Bearer t"}
        await found.credentials.close()


VARIABLE = "SITEHUB_SECRET_BILLING_INTEGRATION__"


def billing_or_why(tmp_path: Path, environ: dict[str, str], **block: Any) -> TargetSettings | str:
    overlay = tmp_path / "overlay.json"
    overlay.write_bytes(orjson.dumps({"billing_integration": block}))
    return target_settings(load_settings([Path(__file__).parents[2] / "config", overlay], environ), "billing")


def billing(tmp_path: Path, environ: dict[str, str], **block: Any) -> TargetSettings:
    found = billing_or_why(tmp_path, environ, **block)
    assert isinstance(found, TargetSettings), found
    return found


@pytest.mark.parametrize(
    ("login", "secret", "name"),
    [
        ({"type": "api_key"}, "API_KEY", "X-API-Key"),
        ({"type": "bearer", "token": "[encrypted_token]"}, "TOKEN", "Authorization"),
        ({"type": "basic", "username": "hub", "password": "[encrypted_password]"}, "PASSWORD", "Authorization"),
    ],
)
async def test_a_secret_in_a_file_is_read_again_when_the_file_changes(
    tmp_path: Path, login: dict[str, str], secret: str, name: str
) -> None:
    file = tmp_path / "secret"
    file.write_text("first-secret\n")
    found = billing(tmp_path, {f"{VARIABLE}AUTHENTICATION__{secret}_FILE": str(file)}, authentication=login)
    before = (await found.credentials.prove(b"", 0)).headers[name]
    file.write_text("second-secret\n")
    after = (await found.credentials.prove(b"", 0)).headers[name]
    file.unlink()

    assert before != after
    assert (await found.credentials.prove(b"", 0)).headers[name] == after
    assert "second-secret" not in repr(found)


async def test_certificates_of_both_sides_are_read_again_when_their_files_change(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    files = TlsFiles(str(tmp_path / "ca.pem"), str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

    def write(authority: trustme.CA) -> None:
        issued = authority.issue_cert("hub@example.com")
        authority.cert_pem.write_to_path(str(files.ca_file))
        issued.cert_chain_pems[0].write_to_path(str(files.cert_file))
        issued.private_key_pem.write_to_path(str(files.key_file))

    def asks_for_a_certificate(authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    async def reached(authority: trustme.CA) -> bool:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(http(200))
            await writer.drain()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=asks_for_a_certificate(authority))
        port = server.sockets[0].getsockname()[1]
        (answer,) = await call(f"https://127.0.0.1:{port}", Fixed(), tls=files)
        server.close()
        return answer == Delivered(200)

    write(old)
    assert await reached(old)
    assert not await reached(new)
    write(new)
    assert await reached(new)


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.01)
