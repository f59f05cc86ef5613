"""What a stand-in target gives in place of an answer."""

import asyncio
import socket
import struct
from collections import Counter
from http import HTTPStatus
from typing import NoReturn

from aiohttp import web

from sitehub.dev.target_calls import Call
from sitehub.dev.target_mode import Mode

DRIBBLE_SECONDS = 0.05
PROOFS = ("Authorization", "X-API-Key")
"""Headers by which callers prove who they are."""
RESET = struct.pack("ii", 1, 0)
"""Of SO_LINGER: the connection is reset, not closed."""


async def fault(request: web.Request, mode: Mode, call: Call, behaved: Counter[str]) -> web.StreamResponse:
    """The answer that `mode` tells of, if any of it comes; `behaved` counts it by the name of the fault or status."""
    match mode.fault:
        case "close":
            behaved[mode.fault] += 1
            close(request)
        case "reset":
            behaved[mode.fault] += 1
            _reset(request)
        case "half" | "headers" | "dribble":
            return await _begun(request, mode, behaved)
        case "garbage":
            behaved[mode.fault] += 1
            call.status = HTTPStatus.OK
            return web.Response(text="<html>It works!</html>", content_type="text/html")
    behaved[f"HTTP {mode.status}"] += 1
    call.status = mode.status
    headers = {"Retry-After": mode.retry_after} if mode.retry_after is not None else {}
    detail = "told to fail"
    if mode.quotes:
        behaved["quoted"] += 1
        detail += "".join(f"; {name}: {request.headers.get(name)}" for name in PROOFS)
    document = {"status": mode.status, "detail": detail}
    return web.json_response(document, status=mode.status, headers=headers)


async def _begun(request: web.Request, mode: Mode, behaved: Counter[str]) -> web.StreamResponse:
    """An answer that never ends, until the caller gives up."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    if mode.fault == "headers":
        behaved[mode.fault] += 1
        await asyncio.Event().wait()
    await response.write(b'{"customer_id": "')
    while mode.fault == "dribble":
        await asyncio.sleep(DRIBBLE_SECONDS)
        await response.write(b" ")
        behaved["dribble"] += 1
    behaved[mode.fault] += 1
    close(request)


def _reset(request: web.Request) -> NoReturn:
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    close(request)


def close(request: web.Request) -> NoReturn:
    """Give no answer, and close the connection."""
    if request.transport is not None:
        request.transport.abort()
    raise asyncio.CancelledError
