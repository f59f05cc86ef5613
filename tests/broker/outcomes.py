"""How each command ended, as `sync-results` tells it: exactly once, and what was superseded by what was called."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import Message

from sitehub.codecs.results import Result, decode_result
from sitehub.tests.broker.hub import Hub

ENDS = ("delivered", "superseded", "rejected")


@dataclass
class Outcomes:
    """Results by command, in the order of the topic."""

    by_command: dict[str, list[Result]] = field(default_factory=lambda: defaultdict(list))

    def ended(self, *statuses: str) -> set[str]:
        """Commands that ended so; in any way if no status is given."""
        wanted = statuses or ENDS
        return {name for name, told in self.by_command.items() if any(one.status in wanted for one in told)}

    def parked(self) -> set[str]:
        """Commands that lie in the table."""
        told = {name for name, told in self.by_command.items() if any(one.status == "parked" for one in told)}
        return told - self.ended()

    def check(self) -> None:
        """Each command ends at most once, last of all; attempts are counted one by one; carriers were delivered."""
        delivered = self.ended("delivered", "rejected")
        for name, told in self.by_command.items():
            statuses = [one.status for one in told]
            ends = [status for status in statuses if status in ENDS]
            assert len(ends) <= 1, told
            assert not ends or statuses[-1] in ENDS, (name, statuses)
            assert statuses.count("parked") <= 1, (name, statuses)
            attempts = [one.attempt for one in told if one.attempt]
            assert attempts == list(range(1, len(attempts) + 1)), (name, attempts)
            if statuses[-1] == "superseded":
                carrier = told[-1].superseded_by
                while carrier is not None and carrier not in delivered:
                    carrier = self.by_command[carrier][-1].superseded_by if carrier in self.by_command else None
                assert carrier is not None or not self.is_over(told[-1]), (name, told[-1])
                assert not attempts, (name, "was begun and superseded")

    def is_over(self, superseded: Result) -> bool:
        """Whether all that is to follow a superseded command has ended."""
        carrier = superseded.superseded_by
        return carrier is not None and carrier in self.ended()


def outcomes(hub: Hub) -> Outcomes:
    """What `sync-results` holds now."""
    return outcomes_of(hub.read("sync-results"))


def outcomes_of(results: Iterable[Message]) -> Outcomes:
    """What these records of `sync-results` tell."""
    found = Outcomes()
    for message in results:
        result = decode_result(message.value() or b"")
        if not result.command_id:
            continue  # a change of the breaker
        found.by_command[result.command_id].append(result)
    return found
