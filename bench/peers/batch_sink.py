"""A target that takes every page after some milliseconds: `python -m sitehub.bench.peers.batch_sink PORT MS`."""

import asyncio
import sys

from aiohttp import web

ANSWER_SECONDS = float(sys.argv[2]) / 1000


async def take(request: web.Request) -> web.Response:
    """Read the page, and say so."""
    await request.read()
    await asyncio.sleep(ANSWER_SECONDS)
    return web.Response(text="{}")


def main() -> None:
    """Serve until SIGTERM."""
    application = web.Application(client_max_size=1 << 24)
    application.router.add_post("/{path:.*}", take)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


if __name__ == "__main__":
    main()
