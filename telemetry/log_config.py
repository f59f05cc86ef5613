"""Logging of a worker, for `logging.config.dictConfig` and for Faust's `logging_config`."""

from typing import Any

from sitehub.telemetry.logs import JsonFormatter, RateLimit

NOISY = "aiokafka"
"""While the broker is away it writes some 4,000 lines a minute."""
NOISY_LINES = 3
"""Of each place in its code are written a period."""
NOISY_PERIOD_SECONDS = 60.0


def logging_config(level: str = "info", stream: str = "ext://sys.stderr") -> dict[str, Any]:
    """A fresh configuration: JSON lines of `level` and above on `stream`, noisy libraries limited."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "filters": {
            "noisy": {"()": RateLimit, "name": NOISY, "most": NOISY_LINES, "period_seconds": NOISY_PERIOD_SECONDS}
        },
        "handlers": {
            "lines": {"class": "logging.StreamHandler", "stream": stream, "formatter": "json", "filters": ["noisy"]}
        },
        "root": {"level": level.upper(), "handlers": ["lines"]},
    }
