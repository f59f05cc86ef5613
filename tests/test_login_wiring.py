"""A target's login, headers and parameters, from the configuration to what a call carries."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from sitehub.clients.answer import Answer, Delivered, Refused
from sitehub.clients.credentials import CredentialsError
from sitehub.clients.masks import mask
from sitehub.clients.target import Target, TargetSettings
from sitehub.login_wiring import rendered_headers
from sitehub.settings import load_settings
from sitehub.settings.environment import packaged_configuration
from sitehub.tests.clients.raw_server import Call, RawServer, answering, serving
from sitehub.tests.clients.test_credentials import VARIABLE, billing, billing_or_why, http
from sitehub.tests.clients.test_target import COMMAND

LOGIN = f"{VARIABLE}AUTHENTICATION__"
HUSH = "hush-hush"
KEY = {f"{LOGIN}API_KEY": HUSH}
OAUTH2 = {
    "type": "oauth2",
    "client_id": "[encrypted_id]",
    "client_secret": "[encrypted_secret]",
    "scope": "[encrypted_scope]",
    "audience": "[encrypted_audience]",
    "token_parameters": {"resource": "billing", "assertion": "[encrypted_assertion]"},
}
OF_OAUTH2 = {
    f"{LOGIN}CLIENT_ID": "hub-of-env",
    f"{LOGIN}CLIENT_SECRET": HUSH,
    f"{LOGIN}SCOPE": "scope-of-env",
    f"{LOGIN}AUDIENCE": "audience-of-env",
    f"{LOGIN}TOKEN_PARAMETERS__ASSERTION": "assertion-of-env",
}


async def called(settings: TargetSettings, headers: dict[str, str] | None = None) -> Call:
    """The call, as it arrived."""
    command = msgspec.structs.replace(COMMAND, headers=headers or {})
    async with (
        serving(answering(http(200))) as server,
        Target(replace(settings, api_endpoint=server.url)) as target,
    ):
        assert await target.call(command) == Delivered(200)
    return server.calls[0]


def sent(call: Call, name: str) -> list[str]:
    """What a header holds, in whatever case and however often it came."""
    fields = (line.split(": ", 1) for line in call.head.split("\r\n")[1:] if line)
    return [value for field, value in fields if field.lower() == name.lower()]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    ("login", "environ", "header", "value"),
    [
        ({"type": "api_key", "header_name": "X-Key"}, KEY, "X-Key", HUSH),
        ({"type": "bearer", "token": "[encrypted_t]"}, {f"{LOGIN}TOKEN": HUSH}, "Authorization", f"Bearer {HUSH}"),
        (
            {"type": "basic", "username": "[encrypted_u]", "password": "[encrypted_p]"},
            {f"{LOGIN}USERNAME": "user-of-env", f"{LOGIN}PASSWORD": HUSH},
            "Authorization",
            basic("user-of-env", HUSH),
        ),
        (
            {"type": "basic", "username": "hub", "password": "[encrypted_p]"},
            {f"{LOGIN}PASSWORD": HUSH},
            "Authorization",
            basic("hub", HUSH),
        ),
    ],
)
async def test_a_login_stands_in_its_header(
    tmp_path: Path, login: dict[str, str], environ: dict[str, str], header: str, value: str
) -> None:
    settings = billing(tmp_path, environ, authentication=login)

    assert sent(await called(settings), header) == [value]
    assert {*environ.values()} <= {*settings.credentials.secrets()}
    assert not settings.errors_in_body


async def test_a_token_of_arcgis_is_a_parameter_and_its_errors_stand_in_bodies(tmp_path: Path) -> None:
    login = {"type": "token", "token": "[encrypted_t]"}
    settings = billing(tmp_path, {f"{LOGIN}TOKEN": HUSH}, authentication=login, query={"token": "mine", "f": "json"})

    assert (await called(settings)).head.split(" ")[1] == f"/customers?f=json&token={HUSH}"
    assert settings.errors_in_body
    assert HUSH in {*settings.credentials.secrets()}


async def test_a_signature_is_made_with_the_key_which_is_masked(tmp_path: Path) -> None:
    login = {"type": "hmac", "secret": "[encrypted_s]"}
    settings = billing(tmp_path, {f"{LOGIN}SECRET": HUSH}, authentication=login)

    assert sent(await called(settings), "X-Sitehub-Signature")[0].startswith("t=")
    assert await refused(settings, HUSH) == Refused(422, '{"why":"***"}')


async def refused(settings: TargetSettings, why: str) -> Answer:
    async with (
        serving(answering(http(422, {"why": why}))) as server,
        Target(replace(settings, api_endpoint=server.url)) as target,
    ):
        return await target.call(COMMAND)


async def test_a_target_without_a_login_gets_none(tmp_path: Path) -> None:
    call = await called(billing(tmp_path, {}, authentication={"type": "none"}))

    assert (sent(call, "Authorization"), sent(call, "X-API-Key")) == ([], [])


async def asked(server: RawServer, tmp_path: Path, environ: dict[str, str], **login: Any) -> TargetSettings:
    """The settings after a token was had of the server."""
    login = {**OAUTH2, "token_endpoint": f"{server.url}/token", **login}
    settings = billing(tmp_path, environ, authentication=login)
    await settings.credentials.prove(b"", 0)
    return settings


async def test_a_token_is_asked_for_with_all_that_is_configured(tmp_path: Path) -> None:
    async with serving(answering(http(200, {"access_token": "t0ken"}))) as server:
        settings = await asked(server, tmp_path, OF_OAUTH2)
        answer = await refused(settings, f"hub-of-env {HUSH} scope-of-env audience-of-env assertion-of-env billing")
    assert parse_qs(server.calls[0].body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["hub-of-env"],
        "client_secret": [HUSH],
        "scope": ["scope-of-env"],
        "audience": ["audience-of-env"],
        "resource": ["billing"],
        "assertion": ["assertion-of-env"],
    }
    assert answer == Refused(422, '{"why":"*** *** *** *** *** billing"}')


async def test_what_is_not_configured_is_not_asked_for(tmp_path: Path) -> None:
    async with serving(answering(http(200, {"access_token": "t0ken"}))) as server:
        environ = {f"{LOGIN}CLIENT_SECRET": HUSH}
        settings = await asked(
            server, tmp_path, environ, client_id="hub", scope=None, audience=None, token_parameters={}
        )
        assert sent(await called(settings), "Authorization") == ["Bearer t0ken"]
    assert {*parse_qs(server.calls[0].body.decode())} == {"grant_type", "client_id", "client_secret"}


async def test_what_a_token_is_asked_for_with_is_read_from_its_files_each_time(tmp_path: Path) -> None:
    files = {name: tmp_path / str(place) for place, name in enumerate(OF_OAUTH2)}
    for file in files.values():
        file.write_text("first")
    async with serving(answering(http(200, {"access_token": "t0ken"}))) as server:
        settings = await asked(server, tmp_path, {f"{name}_FILE": str(file) for name, file in files.items()})
        for file in files.values():
            file.write_text("second one")
        settings.credentials.refused(await settings.credentials.prove(b"", 0))
        await settings.credentials.prove(b"", 0)
        await settings.credentials.close()
    first, second = (parse_qs(call.body.decode()) for call in server.calls)
    names = ("client_id", "client_secret", "scope", "audience", "assertion")
    assert [first[name] for name in names] == [["first"]] * 5
    assert [second[name] for name in names] == [["second one"]] * 5


def missing() -> Iterator[tuple[dict[str, Any], dict[str, str], str]]:
    oauth2 = {**OAUTH2, "token_endpoint": "https://login.example.com/token"}
    for name in OF_OAUTH2:
        environ = {other: value for other, value in OF_OAUTH2.items() if other != name}
        path = name.removeprefix(LOGIN).lower().replace("__", ".")
        yield {"authentication": oauth2}, environ, f"authentication.{path}"
    masked = {**oauth2, "token_endpoint": "https://login.example.com/token?***"}
    yield {"authentication": masked}, OF_OAUTH2, "authentication.token_endpoint"
    basic_login = {"type": "basic", "username": "[encrypted_u]", "password": "[encrypted_p]"}
    yield {"authentication": basic_login}, {f"{LOGIN}PASSWORD": HUSH}, "authentication.username"
    yield {"authentication": basic_login}, {f"{LOGIN}USERNAME": HUSH}, "authentication.password"
    yield {"query": {"k": "[encrypted_k]"}}, KEY, "query.k"
    yield {"headers": {"X-K": "[encrypted_k]"}}, KEY, "headers.X-K"


@pytest.mark.parametrize(("block", "environ", "path"), [*missing()])
def test_a_placeholder_that_nothing_stands_for_turns_the_target_off(
    tmp_path: Path, block: dict[str, Any], environ: dict[str, str], path: str
) -> None:
    assert billing_or_why(tmp_path, environ, **block) == f"the secret of billing_integration.{path} is missing"


async def test_the_environment_may_give_the_token_endpoint_whose_query_is_a_secret(tmp_path: Path) -> None:
    async with serving(answering(http(500))) as server:
        login = {**OAUTH2, "token_endpoint": "https://login.example.com/token?***"}
        environ = {**OF_OAUTH2, f"{LOGIN}TOKEN_ENDPOINT": f"{server.url}/token?key=quiet%20please"}
        settings = billing(tmp_path, environ, authentication=login)
        with pytest.raises(CredentialsError, match="HTTP 500"):
            await settings.credentials.prove(b"", 0)
    assert server.calls[0].head.startswith("POST /token?key=quiet%20please ")
    assert mask("<quiet please>", settings.credentials.secrets()) == "<***>"


def test_a_token_endpoint_of_the_environment_that_is_none_turns_the_target_off(tmp_path: Path) -> None:
    login = {**OAUTH2, "token_endpoint": "https://login.example.com/token?***"}
    off = billing_or_why(tmp_path, {**OF_OAUTH2, f"{LOGIN}TOKEN_ENDPOINT": "nowhere"}, authentication=login)

    assert off == "the token_endpoint that the environment gives is no address of HTTP"


@pytest.mark.parametrize(
    ("login", "environ", "header"),
    [
        ({"type": "api_key"}, KEY, "x-api-key"),
        ({"type": "api_key", "header_name": "X-KEY"}, KEY, "x-key"),
        ({"type": "bearer", "token": "[encrypted_t]"}, {f"{LOGIN}TOKEN": HUSH}, "authorization"),
    ],
)
async def test_a_configured_header_beside_the_logins_in_another_case_is_left_out(
    tmp_path: Path, login: dict[str, str], environ: dict[str, str], header: str
) -> None:
    settings = billing(tmp_path, environ, authentication=login, headers={header: "mine"})
    (value,) = sent(await called(settings), header)

    assert value.endswith(HUSH)


async def test_a_rendered_header_beside_the_logins_in_another_case_is_left_out(tmp_path: Path) -> None:
    login, headers = (
        {"type": "api_key", "header_name": "X-Caller"},
        {"x-caller": "{{site_id}}", "ACCEPT": "{{site_id}}"},
    )
    settings = billing(tmp_path, KEY, authentication=login, headers=headers)
    block = load_settings([packaged_configuration(), tmp_path / "overlay.json"], KEY).configuration.integrations
    call = await called(settings, dict.fromkeys(rendered_headers(block["billing"]), "rendered"))

    assert (sent(call, "X-Caller"), sent(call, "Accept")) == ([HUSH], ["rendered"])


async def test_a_calls_own_headers_may_be_changed_in_any_case_and_parameters_beside_a_login_are_no_secrets(
    tmp_path: Path,
) -> None:
    changed = {"content-type": "text/plain", "ACCEPT": "*/*", "user-agent": "hub/1", "X-Region": "western"}
    settings = billing(tmp_path, KEY, headers=changed, query={"mode": "quick-one"})
    call = await called(settings)

    assert {name: sent(call, name) for name in changed} == {name: [value] for name, value in changed.items()}
    assert await refused(settings, f"western text/plain quick-one {HUSH}") == Refused(
        422, '{"why":"western text/plain quick-one ***"}'
    )


async def test_a_parameter_is_a_secret_though_a_header_of_its_name_is_none(tmp_path: Path) -> None:
    environ = {**KEY, f"{VARIABLE}QUERY__PLACE": "hush-place"}
    settings = billing(tmp_path, environ, headers={"place": "seen"}, query={"place": "[encrypted_place]"})

    assert await refused(settings, "hush-place") == Refused(422, '{"why":"***"}')
