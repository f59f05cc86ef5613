"""How a stand-in target behaves: well, slowly, badly or not at all."""

from random import Random
from typing import Literal

import msgspec

SLOW_MS = 2000


class Mode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Set by `POST /_control`; what is left out has the value given here.

    - `ok`: answer as the real system does, `latency_ms` after the call came in.
    - `slow`: the same, with 2 s instead of 0 as the default of `latency_ms`.
    - `fail`: a share `fail_rate` of the calls gets `fault`, the rest is answered well.
    - `down`: every connection is closed without an answer, health checks too.

    `fault` is an answer with `status` (and `Retry-After`, if `retry_after` is given), a text that is no JSON
    (`garbage`), half an answer (`half`), or a closed connection (`close`). With `applied` the call takes effect before
    the fault: the caller can't know. `paths` limits `fail` to paths that contain one of these texts.
    """

    mode: Literal["ok", "slow", "fail", "down"] = "ok"
    latency_ms: float | None = None
    jitter_ms: float = 0
    fail_rate: float = 1.0
    fault: Literal["status", "garbage", "half", "close"] = "status"
    status: int = 500
    retry_after: str | None = None
    applied: bool = False
    paths: list[str] = []

    def latency_seconds(self, random: Random) -> float:
        """Return how long to wait before this call's answer."""
        latency_ms = self.latency_ms if self.latency_ms is not None else SLOW_MS * (self.mode == "slow")
        return (latency_ms + self.jitter_ms * random.random()) / 1000

    def fails(self, path: str, random: Random) -> bool:
        """Tell whether this call gets the fault."""
        met = not self.paths or any(part in path for part in self.paths)
        return self.mode == "fail" and met and random.random() < self.fail_rate
