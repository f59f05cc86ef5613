"""A page of a batch to its target: in turn with delivery's calls, again after failures, in halves after a rejection."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from sitehub.agents.gate import TargetGate
from sitehub.clients.answer import Delivered, Refused, Unavailable
from sitehub.clients.target import Target
from sitehub.rules.batch_pages import BatchRow, Part, bad_rows, idempotency_key
from sitehub.rules.retry import RetryPolicy
from sitehub.telemetry.metrics import Metrics

FAULTS_OF_THE_ROWS = frozenset({400, 409, 413, 422})
"""Statuses of a rejection that fewer or other rows may escape; all others are faults of the call, whatever its rows."""


class TargetError(Exception):
    """The target does not take the call, whatever its rows are, or does not answer: the run can't go on for now."""


@dataclass(frozen=True, slots=True)
class BatchCall:
    """What the calls of an operation have in common."""

    operation: str
    method: str
    path: str
    watermark: str
    run_id: str
    is_resumed: bool
    """Whether pages may have been sent before the run was interrupted."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A bad row, what was sent of it and what the target said."""

    row: BatchRow
    key: str
    answer: str


@dataclass(slots=True)
class BatchCaller:
    """Calls a target for one run. `may_call` raises if nothing may be called any more: it is asked right before."""

    target: Target
    gate: TargetGate
    retry: RetryPolicy
    call: BatchCall
    may_call: Callable[[], None]
    config_id: Callable[[], str]
    metrics: Metrics
    calls: int = 0
    failures: int = 0

    async def deliver(self, page: Part) -> list[Rejected]:
        """Return once every row is delivered or found to be bad: the bad ones. Raises TargetError."""
        search, rejected = bad_rows(page), list[Rejected]()
        part = next(search)
        while True:
            refused = await self._send(part)
            if refused is not None and len(part.rows) == 1:
                rejected.append(refused)
            try:
                part = search.send(refused is None)
            except StopIteration:
                return rejected

    async def _send(self, part: Part) -> Rejected | None:
        """Until the target has taken or refused it; None if it has taken it."""
        call = self.call
        document = {"operation": call.operation, "watermark": call.watermark, "records": [r.record for r in part.rows]}
        body = orjson.dumps(document)
        key = idempotency_key(call.operation, call.watermark, part.label, body)
        headers = {
            "Idempotency-Key": key,
            "X-Correlation-ID": call.run_id,
            "X-Sitehub-Config": self.config_id(),
        }
        attempt = 0
        while True:
            attempt += 1
            match await self._attempt(headers, body, is_repeated=attempt > 1 or call.is_resumed):
                case Delivered():
                    return None
                case Refused(status, answer) if status in FAULTS_OF_THE_ROWS:
                    return Rejected(part.rows[0], key, f"HTTP {status}: {answer}")
                case Refused(status, answer):
                    raise TargetError(f"{call.method} {call.path}: HTTP {status}: {answer}")
                case Unavailable(error, _, answer, asked):
                    self.failures += 1
                    if attempt > self.retry.max_retries:
                        raise TargetError(f"{call.method} {call.path}: {error} {answer}".rstrip())
                    chance = random.random()  # noqa: S311 -- jitter
                    await asyncio.sleep(self.retry.pause_seconds(attempt, chance, asked))

    async def _attempt(
        self, headers: dict[str, str], body: bytes, *, is_repeated: bool
    ) -> Delivered | Refused | Unavailable:
        while (wait := self.gate.wait_seconds(time.time())) > 0:  # noqa: ASYNC110 -- nobody tells
            await asyncio.sleep(wait)
        self.may_call()
        permit, answer, began = self.gate.enter(time.time()), None, time.monotonic()
        self.calls += 1
        try:
            call = self.call
            answer = await self.target.request(call.method, call.path, headers, body, repeated=is_repeated)
        finally:
            self.gate.leave(permit, answer, time.time())
        self.metrics.call_duration.labels(self.target.settings.name).observe(time.monotonic() - began)
        return answer
