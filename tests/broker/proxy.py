"""A TCP proxy before a broker's listener that knows requests by their kind, and cuts or holds them when told to."""

import asyncio
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from sitehub.dev.server_process import HOST

LENGTH = struct.Struct(">i")
KIND = struct.Struct(">h")
START_SECONDS = 10


class Request(IntEnum):
    """Kinds of requests, by Kafka's protocol."""

    PRODUCE = 0
    FETCH = 1
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26


KINDS = frozenset(Request)


class Fault(Enum):
    """What happens to a request."""

    PASS = "pass"  # noqa: S105 -- no password
    CUT_BEFORE = "cut before the broker has it"
    CUT_AFTER = "cut once the broker has answered: the client never learns what"


@dataclass
class KafkaProxy:
    """Listens on `port` for what the broker advertises there; runs in a thread of its own."""

    port: int
    upstream: int
    decide: Callable[[Request], Fault] = lambda _request: Fault.PASS
    """Asked for each request whose kind is known here."""
    delay_seconds: float = 0.0
    """Added to each request: a slow broker."""
    seen: Counter[Request] = field(default_factory=Counter)
    cuts: int = 0
    _held: set[Request] = field(default_factory=set)
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients, `host:port`."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Return once it listens."""
        listening = threading.Event()
        self._open.set()

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            server = await asyncio.start_server(self._pass_on, HOST, self.port)
            listening.set()
            await self._stopping.wait()
            server.close()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True, name="kafka-proxy")
        self._thread.start()
        assert listening.wait(START_SECONDS)

    def stop(self) -> None:
        """End all connections."""
        self._soon(self._stopping.set)
        if self._thread is not None:
            self._thread.join()

    def _soon(self, call: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(call)

    def hold(self, *requests: Request) -> None:
        """Let these kinds wait until `release`."""
        self._held = set(requests)
        self._soon(self._open.clear)

    def release(self) -> None:
        """Send on what waits."""
        self._held = set()
        self._soon(self._open.set)

    def reset(self) -> None:
        """Harmless again."""
        self.release()
        self.decide, self.delay_seconds = (lambda _request: Fault.PASS), 0.0
        self.seen.clear()

    async def _pass_on(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            broker, to_broker = await asyncio.open_connection(HOST, self.upstream)
        except OSError:
            to_client.close()
            return
        answers_wanted = [True]
        ways = [
            asyncio.create_task(self._requests(client, to_broker, answers_wanted)),
            asyncio.create_task(self._answers(broker, to_client, answers_wanted)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (to_client, to_broker):
                end.transport.abort()

    async def _requests(
        self, client: asyncio.StreamReader, to_broker: asyncio.StreamWriter, answers_wanted: list[bool]
    ) -> None:
        while True:
            frame = await _frame(client)
            kind = KIND.unpack_from(frame, LENGTH.size)[0]
            fault = Fault.PASS
            if kind in KINDS:
                request = Request(kind)
                self.seen[request] += 1
                if request in self._held:
                    await self._open.wait()
                fault = self.decide(request)
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            if fault is not Fault.PASS:
                self.cuts += 1
            if fault is Fault.CUT_BEFORE:
                return
            if fault is Fault.CUT_AFTER:
                answers_wanted[0] = False
            to_broker.write(frame)
            await to_broker.drain()

    async def _answers(
        self, broker: asyncio.StreamReader, to_client: asyncio.StreamWriter, answers_wanted: list[bool]
    ) -> None:
        while True:
            frame = await _frame(broker)
            if not answers_wanted[0]:
                return
            to_client.write(frame)
            await to_client.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One message with its length; raises IncompleteReadError and OSError at the end of the connection."""
    head = await reader.readexactly(LENGTH.size)
    return head + await reader.readexactly(LENGTH.unpack(head)[0])
