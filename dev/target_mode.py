"""How a stand-in target behaves: well, slowly, badly or not at all."""

from random import Random
from typing import Literal

import msgspec

SLOW_MS = 2000
HOUR_MS = 3_600_000

Fault = Literal["status", "garbage", "half", "headers", "dribble", "close", "reset"]


class Mode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Set by `POST /_control`; what is left out has the value given here.

    - `ok`: answer as the real system does, `latency_ms` after the call came in.
    - `slow`: the same, with 2 s instead of 0 as the default of `latency_ms`.
    - `fail`: a share `fail_rate` of the calls gets `fault`, the rest is answered well.
    - `down`: every connection is closed without an answer, health checks too.

    `fault` is an answer with `status` (and `Retry-After`, if `retry_after` is given), a text that is no JSON
    (`garbage`), half an answer (`half`), its headers and then nothing (`headers`) or byte after byte without end
    (`dribble`), a closed connection (`close`) or one that is reset (`reset`). With `applied` the call takes effect
    before the fault: the caller can't know. With `quotes` an answer with `status` repeats the headers by which the
    caller proved who it is.

    `paths` limits the mode to calls whose path or site contains one of these texts; of several modes, set as a list,
    the first that fits holds for a call, and else `ok`. `times` limits `fail` to the first so many calls with the same
    idempotency key, and `flap_ms` to every second period of that length. A bearer token is taken for `token_life_ms`,
    whatever its answer said.
    """

    mode: Literal["ok", "slow", "fail", "down"] = "ok"
    latency_ms: float | None = None
    jitter_ms: float = 0
    fail_rate: float = 1.0
    fault: Fault = "status"
    status: int = 500
    retry_after: str | None = None
    applied: bool = False
    quotes: bool = False
    paths: list[str] = []
    times: int | None = None
    flap_ms: float | None = None
    token_life_ms: float = HOUR_MS

    def latency_seconds(self, random: Random) -> float:
        """Return how long to wait before this call's answer."""
        latency_ms = self.latency_ms if self.latency_ms is not None else SLOW_MS * (self.mode == "slow")
        return (latency_ms + self.jitter_ms * random.random()) / 1000

    def fits(self, path: str, site_id: str | None) -> bool:
        """Tell whether it holds for a call."""
        return not self.paths or any(part in path or part in (site_id or "") for part in self.paths)

    def fails(self, random: Random, *, before: int = 0, now: float = 0.0) -> bool:
        """Tell whether this call gets the fault; `before` calls with its key have got it, `now` is in seconds."""
        if self.mode != "fail":
            return False
        if self.times is not None and before >= self.times:
            return False
        if self.flap_ms is not None and int(now * 1000 / self.flap_ms) % 2:
            return False
        return random.random() < self.fail_rate
