"""What the live line shows, read from the workers' metrics."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

ASK_SECONDS = 1.0


@dataclass(slots=True)
class Figures:
    """Sums over the workers since each started; lag in seconds, None before the first delivery."""

    applied: float = 0
    delivered: float = 0
    dead_letters: float = 0
    waiting: float = 0
    read_model_lag: float = 0
    """Records that are not in PostgreSQL yet."""
    health: dict[str, str] = field(default_factory=dict)
    lag_buckets: dict[float, float] = field(default_factory=dict)

    def lag(self, quantile: float) -> float | None:
        """Upper bound of the bucket that holds the quantile."""
        total = max(self.lag_buckets.values(), default=0)
        if not total:
            return None
        return next(bound for bound, count in sorted(self.lag_buckets.items()) if count >= quantile * total)

    def cells(self) -> list[tuple[str, str]]:
        """What the line shows: heading and text."""
        return [
            ("events applied", f"{self.applied:,.0f}"),
            ("calls delivered", f"{self.delivered:,.0f}"),
            ("dead letters", f"{self.dead_letters:,.0f}"),
            ("lag p50", _seconds(self.lag(0.5))),
            ("lag p99", _seconds(self.lag(0.99))),
            ("not in PostgreSQL", f"{self.read_model_lag:,.0f}"),
            *self.health.items(),
        ]

    def as_json(self) -> dict[str, object]:
        """The same as plain values; lag in seconds."""
        return {
            "events_applied": self.applied,
            "calls_delivered": self.delivered,
            "dead_letters": self.dead_letters,
            "lag_p50_seconds": self.lag(0.5),
            "lag_p99_seconds": self.lag(0.99),
            "read_model_lag_records": self.read_model_lag,
            "workers": self.health,
        }


def _seconds(lag: float | None) -> str:
    return "-" if lag is None else f"<{lag:g} s"


async def gather(session: aiohttp.ClientSession, urls: Iterable[str]) -> Figures:
    """Ask every worker; one that does not answer is `down`."""
    figures = Figures()
    for number, url in enumerate(urls, 1):
        try:
            async with session.get(f"{url}/ready", timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as response:
                figures.health[f"worker-{number}"] = "ready" if response.status == 200 else "recovering"  # noqa: PLR2004
            async with session.get(f"{url}/metrics", timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as response:
                _add(figures, await response.text())
        except (aiohttp.ClientError, TimeoutError):
            figures.health[f"worker-{number}"] = "down"
    return figures


def _add(figures: Figures, text: str) -> None:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            match sample.name, sample.labels.get("status"):
                case "sitehub_events_applied_total", _:
                    figures.applied += sample.value
                case "sitehub_calls_total", "delivered":
                    figures.delivered += sample.value
                case "sitehub_dead_letters_total", _:
                    figures.dead_letters += sample.value
                case "sitehub_read_model_lag_records", _:
                    figures.read_model_lag += sample.value
                case "sitehub_delivery_lag_seconds_bucket", _:
                    bound = float(sample.labels["le"])
                    figures.lag_buckets[bound] = figures.lag_buckets.get(bound, 0) + sample.value
