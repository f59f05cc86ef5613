"""Look-ups of sites, answered by whichever worker is asked."""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus

import aiohttp
from aiohttp import web
from yarl import URL

from sitehub.web.problem import problem

ROUTED = "X-Sitehub-Routed"
"""Set on a question from another worker: answer from what is here, ask nobody."""
SEARCHED = "X-Sitehub-Searched"
"""Set on the answer that a site is not here: the partitions that were searched for it."""
ASK_SECONDS = 2.0
MAX_ID_LENGTH = 1024

LookUp = Callable[[str], tuple[bytes, str | None] | None]
"""A site in this worker's partitions as JSON, and when it was deleted; raises LookupError while recovering."""
Partitions = Callable[[], Iterable[int]]
"""Those that this worker owns, recovered, and in which a look-up searches."""
Peers = Callable[[str], Iterable[str]]
"""Base addresses of the other workers, the likeliest owner of the site first."""


class SiteView:
    """`GET …/sites/{siteId}`: from the own tables, else from the worker that has it.

    A site is denied only after every partition was searched: while one passes from worker to worker nobody has it.
    """

    def __init__(
        self, look_up: LookUp, owned: Partitions, partitions: int, peers: Peers, client: aiohttp.ClientSession
    ) -> None:
        self._look_up = look_up
        self._owned = owned
        self._partitions = partitions
        self._peers = peers
        self._client = client

    async def get(self, request: web.Request) -> web.Response:
        """The site, 404, 410 for a deleted one, or 503 while its owner recovers."""
        site_id = request.match_info["siteId"]
        if not _is_site_id(site_id):
            return problem(HTTPStatus.BAD_REQUEST, f"a site id has 1 to {MAX_ID_LENGTH} characters of Unicode")
        searched = set[int]()
        try:
            found = self._look_up(site_id)
            searched.update(self._owned())
        except LookupError:
            found = None
        if found is not None:
            return _answer(site_id, *found)
        if ROUTED in request.headers:
            return _not_here(site_id, searched) if searched else _ask_again()
        for answer in await asyncio.gather(*(self._ask(peer, request) for peer in self._peers(site_id))):
            if answer is not None and answer.status in (HTTPStatus.OK, HTTPStatus.GONE):
                return answer
            if answer is not None:
                searched |= _searched(answer)
        return _not_here(site_id, set()) if len(searched) >= self._partitions else _ask_again()

    async def _ask(self, peer: str, request: web.Request) -> web.Response | None:
        """The other worker's answer, None if it gives none."""
        try:
            async with self._client.get(
                URL(peer.rstrip("/") + request.rel_url.raw_path, encoded=True),
                headers={ROUTED: "1"},
                timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
            ) as response:
                body = await response.read()
                headers = {SEARCHED: response.headers[SEARCHED]} if SEARCHED in response.headers else None
                return web.Response(
                    body=body, status=response.status, content_type=response.content_type, headers=headers
                )
        except (aiohttp.ClientError, TimeoutError):
            return None


def _is_site_id(text: str) -> bool:
    """Whether some site may have this id; what begins with NUL is the engine's own, and some bytes are no Unicode."""
    try:
        return 0 < len(text) <= MAX_ID_LENGTH and text[0] != "\0" and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _answer(site_id: str, body: bytes, deleted_at: str | None) -> web.Response:
    if deleted_at is not None:
        return problem(
            HTTPStatus.GONE,
            f"the site was deleted at {deleted_at}",
            site_id=site_id,
            deleted_at=deleted_at,
        )
    return web.Response(body=body, content_type="application/json")


def _not_here(site_id: str, searched: set[int]) -> web.Response:
    headers = {SEARCHED: ",".join(map(str, sorted(searched)))} if searched else None
    return problem(HTTPStatus.NOT_FOUND, "there is no site with this id", headers=headers, site_id=site_id)


def _searched(answer: web.Response) -> set[int]:
    """Partitions that another worker has searched; none, whatever else it answered."""
    return {int(number) for number in answer.headers.get(SEARCHED, "").split(",") if number.isdecimal()}


def _ask_again() -> web.Response:
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the worker that has this site is recovering its tables: ask again",
        headers={"Retry-After": "1"},
    )
