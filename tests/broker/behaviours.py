"""What a target does to calls, by name: what it is told, and by what it is known to have done it."""

from dataclasses import dataclass
from typing import Any

TIMEOUT_MS = 1000
"""Of an attempt."""
FAIL = {"mode": "fail", "applied": True}


@dataclass(frozen=True)
class Behaviour:
    """What the target is told, and what it must have counted when it has behaved so."""

    modes: list[dict[str, Any]]
    traces: set[str]
    fails: bool = True
    """Whether attempts do: a login that has ended is renewed within one."""


BEHAVIOURS = {
    "closes": Behaviour([{"mode": "down"}], {"down"}),
    "slow": Behaviour([{"mode": "slow", "latency_ms": 200}], {"slow"}, fails=False),
    "late": Behaviour([{"mode": "slow", "latency_ms": TIMEOUT_MS + 500}], {"given_up_on"}),
    "fails": Behaviour([{"mode": "fail", "status": 500}], {"HTTP 500"}),
    "asks-for-less": Behaviour(
        [{"mode": "fail", "status": 429, "retry_after": "1", "fail_rate": 0.3}], {"HTTP 429", "answer"}
    ),
    "forgets-tokens": Behaviour([{"mode": "ok", "token_life_ms": 400}], {"expired_token", "answer"}, fails=False),
    "flaps": Behaviour([{"mode": "fail", "status": 503, "flap_ms": 50}], {"HTTP 503", "answer"}),
    "all-kinds": Behaviour(
        [
            {**FAIL, "paths": ["once-"], "status": 401, "times": 1},
            {"mode": "fail", "paths": ["/refused-"], "status": 404},
            {**FAIL, "paths": ["garbage-"], "fault": "garbage"},
            {**FAIL, "paths": ["half-"], "fault": "half", "fail_rate": 0.6},
            {"mode": "fail", "paths": ["headers-"], "fault": "headers", "fail_rate": 0.5},
            {**FAIL, "paths": ["dribble-"], "fault": "dribble", "fail_rate": 0.5},
            {**FAIL, "paths": ["reset-"], "fault": "reset", "fail_rate": 0.6},
            {**FAIL, "paths": ["close-"], "fault": "close", "fail_rate": 0.6},
        ],
        {"HTTP 401", "HTTP 404", "garbage", "half", "headers", "dribble", "reset", "close"},
    ),
}
"""Whole targets, and one that treats each group of sites in another way, named by what its ids begin with."""
REFUSED = "refused-"
"""Sites whose calls are refused for good."""
GONE = Behaviour([], set())
"""Nobody listens."""
