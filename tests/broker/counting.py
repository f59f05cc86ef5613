"""A worker that counts the records of each key: every count must appear once, in order, whatever happens to workers."""

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import faust
from aiohttp import web

from sitehub.agents.web_server import WebServer
from sitehub.engine.app import EngineApp
from sitehub.engine.batch import Outcome, PartitionBatch, ReadRows
from sitehub.engine.observer import Observer
from sitehub.engine.source import Source, fold

PARTITIONS = 4
SESSION_SECONDS = 3.0


def count(output: str, batch: PartitionBatch, read: ReadRows) -> Outcome:
    keys = list({record.key or b"" for record in batch.records})
    counts = dict(zip(keys, (int(row or 0) for row in read(keys)), strict=True))
    sent: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = []
    for record in batch.records:
        key = record.key or b""
        counts[key] += 1
        sent.append((key, b"%d" % counts[key], []))
    return Outcome([(key, b"%d" % number) for key, number in counts.items()], {output: sent})


def counting_source(prefix: str) -> Source:
    """Topic `in`, whose keys are counted in the table `counts` and told in `out`."""
    handler = fold(lambda batch, read: count(f"{prefix}out", batch, read))
    return Source(f"{prefix}in", "counts", f"{prefix}changelog", handler, frozenset({f"{prefix}out"}))


def main(bootstrap: str, prefix: str, data: str, port: int, defects: set[str]) -> None:
    if defects - {"dynamic"}:
        from sitehub.tests.broker.defects import install

        Path(data).mkdir(parents=True, exist_ok=True)
        install(defects, Path(data))
    app = EngineApp(
        f"{prefix}counting",
        client={"bootstrap_servers": bootstrap},
        directory=Path(data),
        observer=Observer(),
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=0.5,
        topic_partitions=PARTITIONS,
        table_standby_replicas=1,
        consumer_group_instance_id=None if "dynamic" in defects else Path(data).name,
        canonical_url=f"http://127.0.0.1:{port}",
    )
    app.add_source(counting_source(prefix), PARTITIONS)

    async def status(_request: web.Request) -> web.Response:
        engine = app.engine
        return web.json_response(
            {
                "ready": engine.ready,
                "active": sorted(tp.partition for tp in engine.partitions),
                "troubles": {str(tp.partition): error for tp, error in engine.troubles.items()},
                "recovered_rows": engine.recovery.rows,
                "generation": app.consumer._thread._consumer._coordinator.generation,
                "files": len(list(Path("/proc/self/fd").iterdir())),
                "threads": threading.active_count(),
                "tasks": len(asyncio.all_tasks()),
            }
        )

    async def rejoin(_request: web.Request) -> web.Response:
        """Let the group settle anew, as if a member had come."""
        thread = app.consumer._thread
        thread.thread_loop.call_soon_threadsafe(thread._consumer._coordinator.request_rejoin)
        return web.Response()

    async def get(request: web.Request) -> web.Response:
        key = request.query["key"].encode()
        try:
            row = app.engine.lookup("counts", key)
        except LookupError:
            return web.json_response({"count": None}, status=503)
        standby: Any = app.engine.lookup_stale("counts", key)
        return web.json_response({"count": int(row) if row else None, "standby": int(standby[0]) if standby else None})

    view = web.Application()
    view.router.add_get("/status", status)
    view.router.add_get("/get", get)
    view.router.add_post("/rejoin", rejoin)

    @app.service
    class View(WebServer):
        def __init__(self, **options: Any) -> None:
            super().__init__(view, "127.0.0.1", port, **options)

    faust.Worker(app, loglevel="info", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), set(filter(None, sys.argv[5].split(","))))
