"""Errors as RFC 9457 problem details."""

import logging
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

log = logging.getLogger(__name__)


def problem(status: HTTPStatus, detail: str, *, headers: dict[str, str] | None = None, **members: Any) -> web.Response:
    """An error answer: `detail` says what was wrong, `members` are added as they are."""
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **members}
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/problem+json", headers=headers
    )


@web.middleware
async def problems(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turn aiohttp's own errors (unknown path, wrong method) and bugs into problems."""
    try:
        response: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(HTTPStatus(error.status), f"{request.method} {request.path}: {error.reason}", headers=allow)
    except Exception:
        log.exception("request_failed")
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the hub failed to answer; its log says why")
    return response
