"""Stand-in HTTP targets: an aiohttp application that behaves as the real systems do, and misbehaves when told to."""

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import msgspec
import orjson
from aiohttp import web

from sitehub.dev.target_billing import Answer, Billing, Change
from sitehub.dev.target_calls import Call, CallLog
from sitehub.dev.target_faults import close, fault
from sitehub.dev.target_journal import Journal
from sitehub.dev.target_mode import Mode
from sitehub.dev.target_tokens import Tokens

API_KEY_HEADER = "X-API-Key"
LARGEST_BODY_BYTES = 16 << 20
PREFIX = "/v1"  # the guide's billing endpoint ends so


@dataclass(slots=True)
class Target:
    """The billing system behind HTTP: checks key or token, honours idempotency keys, keeps a log of the calls."""

    api_key: str
    journal: Journal | None = None
    billing: Billing = field(default_factory=Billing)
    modes: list[Mode] = field(default_factory=lambda: [Mode()])
    log: CallLog = field(default_factory=CallLog)
    random: Random = field(default_factory=lambda: Random(1))
    tokens: Tokens = field(default_factory=Tokens)
    faults: Counter[str | None] = field(default_factory=Counter)
    """By idempotency key, since the mode was set."""
    behaved: Counter[str] = field(default_factory=Counter)
    """What calls met, since the mode was set: counted where it has happened, not where it is decided."""

    @property
    def mode(self) -> Mode:
        """The first, which holds for what is no call too."""
        return self.modes[0]

    def behave(self, modes: list[Mode]) -> None:
        """From now on as `modes` say."""
        self.modes = modes or [Mode()]
        self.faults.clear()
        self.behaved.clear()

    def restore(self) -> None:
        """Make the changes of former runs again."""
        if self.journal is not None:
            for change in self.journal.changes():
                self.billing.call(change)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call of the business interface."""
        raw = await request.read()
        path = request.rel_url.raw_path.removeprefix(PREFIX)
        body = _json(raw)
        call = _call(request.method, path, request.headers, body)
        self.log.begin(call)
        try:
            return await self._answer(request, call)
        finally:
            self.log.end(call)

    async def health(self, request: web.Request) -> web.StreamResponse:
        """Answer `GET /health`, 503 while in mode `fail`."""
        if self.mode.mode == "down":
            close(request)
        await asyncio.sleep(self.mode.latency_seconds(self.random))
        if self.mode.mode == "fail":
            return web.json_response({"status": "failing"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.json_response({"status": "ok"})

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        mode = next((one for one in self.modes if one.fits(call.path, call.site_id)), Mode())
        if mode.mode == "down":
            self.behaved["down"] += 1
            close(request)
        if not self._authorized(request.headers):
            call.status = HTTPStatus.UNAUTHORIZED
            return _response(
                Answer(call.status, {"status": call.status, "detail": f"{API_KEY_HEADER} is missing or wrong"})
            )
        before = self.faults[call.idempotency_key]
        fails = mode.fails(self.random, before=before, now=call.started)
        self.faults[call.idempotency_key] += fails
        answer = self._apply(call) if not fails or mode.applied else None
        await self._take_time(mode.latency_seconds(self.random))
        if fails or answer is None:
            return await fault(request, mode, call, self.behaved)
        self.behaved["answer"] += 1
        call.status = answer.status
        return _response(answer)

    async def _take_time(self, seconds: float) -> None:
        if seconds <= 0:
            return
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.behaved["given_up_on"] += 1
            raise
        self.behaved["slow"] += 1

    def _apply(self, call: Call) -> Answer:
        change = Change(call.method, call.path, call.idempotency_key, call.body)
        answer = self.billing.call(change)
        call.repeated = answer.repeated
        call.applied = answer.status < HTTPStatus.BAD_REQUEST and not answer.repeated
        if call.applied and self.journal is not None:
            self.journal.append(change)
        return answer

    def _authorized(self, headers: Mapping[str, str]) -> bool:
        authorization = headers.get("Authorization", "")
        if self.tokens.takes(authorization, self.mode.token_life_ms / 1000):
            return True
        if self.tokens.gave(authorization):
            self.behaved["expired_token"] += 1
        return hmac.compare_digest(headers.get(API_KEY_HEADER, "").encode(), self.api_key.encode())


async def _control(request: web.Request) -> web.Response:
    target = request.app[TARGET]
    try:
        told = msgspec.json.decode(await request.read(), type=Mode | list[Mode])
    except msgspec.MsgspecError as error:
        return web.json_response({"detail": str(error)}, status=HTTPStatus.BAD_REQUEST)
    target.behave([told] if isinstance(told, Mode) else told)
    return web.json_response(msgspec.to_builtins(told))


async def _stats(request: web.Request) -> web.Response:
    target = request.app[TARGET]
    mode = msgspec.to_builtins(target.mode)
    told = {"customers": len(target.billing.customers), "mode": mode, "behaved": target.behaved}
    return web.json_response({**target.log.stats(), **told})


async def _calls(request: web.Request) -> web.Response:
    calls = request.app[TARGET].log.since(int(request.query.get("since", 0)))
    return web.Response(body=msgspec.json.encode(calls), content_type="application/json")


async def _token(request: web.Request) -> web.Response:
    target = request.app[TARGET]
    status, document = target.tokens.answer(await request.post(), target.api_key)
    return web.json_response(document, status=status)


async def _customers(request: web.Request) -> web.Response:
    customers = request.app[TARGET].billing.customers
    return web.Response(body=orjson.dumps(customers), content_type="application/json")


def create_targets(target: Target) -> web.Application:
    """Return the application.

    The billing interface and `/health` stand at the root and under `/v1`; at `/oauth/token` an authorization server,
    whose only client has the API key for its secret; `/_control`, `/_stats`, `/_calls` and `/_customers` are for
    whoever runs it, and need no key.
    """
    target.restore()
    app = web.Application(client_max_size=LARGEST_BODY_BYTES)
    app[TARGET] = target
    app.router.add_post("/_control", _control)
    app.router.add_get("/_stats", _stats)
    app.router.add_get("/_calls", _calls)
    app.router.add_get("/_customers", _customers)
    app.router.add_post("/oauth/token", _token)
    for prefix in ("", PREFIX):
        app.router.add_get(f"{prefix}/health", target.health)
    app.router.add_route("*", "/{path:.*}", target.handle)
    return app


TARGET = web.AppKey("target", Target)


def _response(answer: Answer) -> web.Response:
    headers = {"Idempotency-Replayed": "true"} if answer.repeated else {}
    return web.Response(
        body=orjson.dumps(answer.body), status=answer.status, content_type="application/json", headers=headers
    )


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def _call(method: str, path: str, headers: Mapping[str, str], body: Any) -> Call:
    parts = path.strip("/").split("/")
    site_id = parts[1] if len(parts) > 1 and parts[1] != "batch-update" else None
    if site_id is None and isinstance(body, dict):
        site_id = body.get("customer_id")
    return Call(
        number=0,
        method=method,
        path=path,
        site_id=site_id,
        idempotency_key=headers.get("Idempotency-Key"),
        correlation_id=headers.get("X-Correlation-ID"),
        config_id=headers.get("X-Sitehub-Config"),
        body=body,
        started=time.time(),
    )
