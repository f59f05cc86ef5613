"""Look-ups of sites, answered by whichever worker is asked."""

import asyncio
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import web
from yarl import URL

from sitehub.web.problem import problem

ROUTED = "X-Sitehub-Routed"
"""Set on a question from another worker: answer from what is here, ask nobody."""
SEARCHED = "X-Sitehub-Searched"
"""Set on the answer that a site is not here: the partitions that were searched for it."""
STALE = "X-Sitehub-Stale"
"""Set on a standby's answer: seconds since it was known to be current."""
ASK_SECONDS = 2.0
MAX_ID_LENGTH = 1024

LookUp = Callable[[str], tuple[bytes, str | None] | None]
"""A site in this worker's partitions as JSON, and when it was deleted; raises LookupError while recovering."""
LookUpStale = Callable[[str], tuple[bytes, str | None, float] | None]
"""The same in what this worker follows as a standby, and how many seconds ago that was known to be current."""
Partitions = Callable[[], Iterable[int]]
"""Those that this worker owns, recovered, and in which a look-up searches."""
Peers = Callable[[str], Iterable[str]]
"""Base addresses of the other workers, the likeliest owner of the site first."""


class SiteView:
    """`GET …/sites/{siteId}`: from the own tables, else from the worker that has it, else from a standby.

    A site is denied only after every partition was searched: while one passes from worker to worker nobody has it.
    """

    def __init__(
        self,
        look_up: LookUp,
        look_up_stale: LookUpStale,
        *,
        owned: Partitions,
        partitions: int,
        peers: Peers,
        client: aiohttp.ClientSession,
    ) -> None:
        self._look_up = look_up
        self._look_up_stale = look_up_stale
        self._owned = owned
        self._partitions = partitions
        self._peers = peers
        self._client = client

    async def get(self, request: web.Request) -> web.Response:
        """The site, 404, 410 for a deleted one, or 503 while nobody has it; with its age while its owner is missing."""
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
        stale = self._stale(site_id, searched)
        if ROUTED in request.headers:
            return stale or (_not_here(site_id, searched) if searched else _ask_again())
        return await self._ask_all(site_id, request, searched, [stale] if stale else [])

    def _stale(self, site_id: str, searched: set[int]) -> web.Response | None:
        found = self._look_up_stale(site_id)
        if found is None:
            return None
        body, deleted_at, seconds = found
        answer = _answer(site_id, body, deleted_at, stale_by_seconds=round(seconds, 3))
        answer.headers[STALE] = f"{seconds:.3f}"
        answer.headers[SEARCHED] = _numbers(searched)
        return answer

    async def _ask_all(
        self, site_id: str, request: web.Request, searched: set[int], stale: list[web.Response]
    ) -> web.Response:
        """The owner's answer as soon as it comes; else, if not every partition was searched, the freshest standby's."""
        asking = [asyncio.create_task(self._ask(peer, request)) for peer in self._peers(site_id)]
        try:
            for next_answer in asyncio.as_completed(asking):
                answer = await next_answer
                if answer is None:
                    continue
                searched |= _searched(answer)
                if STALE in answer.headers:
                    stale.append(answer)
                elif answer.status in (HTTPStatus.OK, HTTPStatus.GONE):
                    return answer
        finally:
            for task in asking:
                task.cancel()
        if stale:
            return min(stale, key=lambda answer: float(answer.headers[STALE]))
        return _not_here(site_id, set()) if len(searched) >= self._partitions else _ask_again()

    async def _ask(self, peer: str, request: web.Request) -> web.Response | None:
        """The other worker's answer, None if it gives none."""
        try:
            async with self._client.get(
                URL(peer.rstrip("/") + request.rel_url.raw_path, encoded=True),
                headers={ROUTED: "1"},
                timeout=aiohttp.ClientTimeout(total=ASK_SECONDS),
            ) as response:
                headers = {name: response.headers[name] for name in (SEARCHED, STALE) if name in response.headers}
                return web.Response(
                    body=await response.read(),
                    status=response.status,
                    content_type=response.content_type,
                    headers=headers,
                )
        except (aiohttp.ClientError, TimeoutError):
            return None


def _is_site_id(text: str) -> bool:
    """Whether some site may have this id; what begins with NUL is the engine's own, and some bytes are no Unicode."""
    try:
        return 0 < len(text) <= MAX_ID_LENGTH and text[0] != "\0" and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _answer(site_id: str, body: bytes, deleted_at: str | None, **more: Any) -> web.Response:
    if deleted_at is not None:
        return problem(
            HTTPStatus.GONE, f"the site was deleted at {deleted_at}", site_id=site_id, deleted_at=deleted_at, **more
        )
    return web.Response(body=body, content_type="application/json")


def _not_here(site_id: str, searched: set[int]) -> web.Response:
    headers = {SEARCHED: _numbers(searched)} if searched else None
    return problem(HTTPStatus.NOT_FOUND, "there is no site with this id", headers=headers, site_id=site_id)


def _numbers(partitions: set[int]) -> str:
    return ",".join(map(str, sorted(partitions)))


def _searched(answer: web.Response) -> set[int]:
    """Partitions that another worker has searched; none, whatever else it answered."""
    return {int(number) for number in answer.headers.get(SEARCHED, "").split(",") if number.isdecimal()}


def _ask_again() -> web.Response:
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the worker that has this site is missing or recovers its tables, and no standby has it: ask again",
        headers={"Retry-After": "1"},
    )
