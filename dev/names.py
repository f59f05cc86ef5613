"""Names on a shared broker that no other run uses."""

import uuid
from dataclasses import dataclass, field


def _short_id() -> str:
    return uuid.uuid4().hex[:10]


@dataclass(frozen=True, slots=True)
class Names:
    """An application id of its own, and topic names that start with it: two runs on one broker never meet."""

    app_id: str = field(default_factory=lambda: f"t{_short_id()}")

    def topic(self, name: str) -> str:
        """Return this run's name for a topic; the same `name` gives the same topic."""
        return f"{self.app_id}-{name}"
