"""Errors that come with status 200: `{"error": {"code": 498, "message": …}}` (ArcGIS REST API, "Error responses")."""

import re

import orjson

from sitehub.rules.retry import REDIRECT, SERVER_ERROR

UNAUTHORIZED = 401
REFUSED_TOKENS = frozenset({498, 499})
"""The token is invalid or expired, or there is none."""
HTTP_ERRORS = range(400, 600)
NO_CODE = 0
BEGINS_AS_ERROR = re.compile(r'\s*\{\s*"error"\s*:\s*(?!null|false)')
CODE = re.compile(r'"code"\s*:\s*"?(\d{1,9})')


def meant_status(status: int, body: bytes) -> int:
    """The status that an answer stands for: `status`, unless the body is an error; tokens that are not taken are a 401.

    An error without a code that HTTP knows is a 500, if the status itself is none. `body` may have been cut.
    """
    if b'"error"' not in body:
        return status
    code = _error_code(body.decode("utf-8", "replace").removeprefix("\ufeff"))
    if code is None:
        return status
    if code in REFUSED_TOKENS:
        return UNAUTHORIZED
    if code in HTTP_ERRORS:
        return code
    return SERVER_ERROR if status < REDIRECT else status


def _error_code(text: str) -> int | None:
    """NO_CODE if there is an error without one; None if there is no error."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        # Cut, or no JSON to the letter: what begins as an error can't have been a success.
        found = CODE.search(text)
        return None if BEGINS_AS_ERROR.match(text) is None else int(found[1]) if found else NO_CODE
    match document:
        case {"error": None | False}:
            return None
        case {"error": {"code": int(code)}}:
            return code
        case {"error": {"code": str(code)}} if CODE.fullmatch(f'"code":"{code.strip()}'):
            return int(code)
        case {"error": _}:
            return NO_CODE
    return None
