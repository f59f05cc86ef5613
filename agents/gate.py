"""Whether and how fast one target may be called."""

from sitehub.clients.answer import Answer


class TargetGate:
    """Breaker and pace of one target."""

    def wait_seconds(self, _now: float) -> float:
        """0 if a call may begin; else look again after so long."""
        return 0.0

    def enter(self, _now: float) -> None:
        """A call begins."""

    def leave(self, _permit: None, answer: Answer | None, now: float) -> None:
        """The call has ended; without an answer if it was cancelled."""
