"""The commands about one site to one target: which is called next, and what follows from an answer."""

import asyncio
import random
from enum import Enum, auto
from itertools import takewhile

import msgspec

from sitehub.agents.delivery_owner import Owner
from sitehub.agents.delivery_records import AUDITED, Attempt, Command, Work, attempt_of, result_of
from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.codecs.rows import encode_delivery, encode_parked, parked_key
from sitehub.rules.breaker import Doubt
from sitehub.rules.commands import Command as Call
from sitehub.rules.delivery import DeliveryRow
from sitehub.rules.failure import Failure
from sitehub.rules.site_queue import SiteQueue
from sitehub.rules.times import rfc3339


class Phase(Enum):
    """What a site waits for."""

    IDLE = auto()
    """Commands."""
    DUE = auto()
    """Its turn to be called for."""
    CALLING = auto()
    """An answer."""
    PAUSED = auto()
    """The time of the next attempt."""
    ENDING = auto()
    """The commit of a command's end."""


class SiteDelivery:
    """One call at a time, in log order; the next one when the former's end is committed.

    A site whose command has used up its retries while the target works for others is parked: its queue lies in the
    table, so that the topic's offset moves on, and it is tried again with growing pauses.
    """

    def __init__(self, owner: Owner, key: bytes, row: DeliveryRow | None) -> None:
        self.owner = owner
        self.key = key
        self.row = row
        self.queue: SiteQueue[Work] = SiteQueue()
        self._phase = Phase.IDLE
        self._attempts = 0
        self._failing_since = 0.0
        self._may_have_arrived = False
        self._is_new = True
        self._given_up_by: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def doubt(self) -> Doubt:
        """How likely the next call fails because of the site."""
        if self.is_parked:
            return Doubt.OWN
        if not self._attempts:
            return Doubt.NONE
        has_worked = self._failing_since and self.owner.dispatcher.has_worked_since(self._failing_since)
        return Doubt.OWN if has_worked else Doubt.TRIED

    @property
    def is_parked(self) -> bool:
        """Whether its queue lies in the table."""
        return self.row is not None and self.row.parked_since is not None

    @property
    def parked(self) -> int:
        """Commands that lie in the table: they came before all others."""
        return sum(1 for _ in takewhile(lambda command: command.parked_at is not None, self.queue.items))

    @property
    def has_more(self) -> bool:
        """Whether commands wait."""
        return bool(self.queue.items)

    def restored(self, command: Command) -> None:
        """A command of the table, from before this worker had the partition."""
        self.queue.push(command)
        command.content = None  # read again when its turn comes
        if command is self.queue.items[0]:
            self._recall_attempts()
            command.is_started = self._may_have_arrived = True  # a former owner may have called for it
            self._is_new = False

    def resume(self) -> None:
        """Go on where the former owner was: at once, or when the pause ends that it was to keep."""
        row, now = self.row, self.owner.now()
        next_at = row.next_at if row is not None and (self.is_parked or self._attempts) else None
        if next_at is not None and next_at > now:
            self._call_in(next_at - now)
        else:
            self._offer()

    def arrived(self, command: Command, *, is_older: bool) -> None:
        """A command was read from the topic; if it `is_older` than this worker's hold, a former owner may have called.

        A former owner may have begun the first one that has not ended: it is made again, not superseded.
        """
        superseded = self.queue.push(command)
        if superseded is not None:
            if superseded.parked_at is None:
                self.owner.freed(superseded)
            superseded.content = None
        if self.is_parked:
            self._end_superseded(self.queue.take_all_superseded())
            self._keep(command)
            self._write_row(command.offset)
        elif self._phase is Phase.IDLE:
            self._recall_attempts()
            if is_older and self._is_new:
                command.is_started = self._may_have_arrived = True
            self._is_new = False
            self.resume()

    def begin(self) -> tuple[Call, bool] | None:
        """The next call, and whether an earlier one for the same command may have arrived; None if none is due."""
        if self._phase is not Phase.DUE or not self.owner.may_call(self):
            return None
        if superseded := self.queue.take_superseded():
            self._end_superseded(superseded)
            self.owner.call_after_commit(self)  # else a next owner might call for them after their carrier
            return None
        head = self.queue.items[0]
        if self._given_up_by is not None:
            self._give_up(head, self._given_up_by, Attempt())
            return None
        work = self._work(head)
        if work.unfit is not None:
            self._refuse(head, work.unfit, Attempt(error=work.unfit.error))
            return None
        head.is_started = True
        self._phase = Phase.CALLING
        return work.call, self._may_have_arrived

    def may_send(self) -> bool:
        """Whether the partition is still ours."""
        return self.owner.is_ours()

    def withheld(self) -> None:
        """Call again once it is sure that the partition is ours; a try before this one may have arrived."""
        self._phase = Phase.DUE
        self._may_have_arrived = True
        if not self.owner.is_closing:
            self.owner.call_after_commit(self)

    def ended(self, answer: Answer, seconds: float) -> None:
        """The call's answer: the command ends, or is made again."""
        head = self.queue.items[0]
        self._attempts += 1
        self._failing_since = self._failing_since or self.owner.now() - seconds
        attempt = attempt_of(answer, self._attempts, seconds)
        match answer:
            case Delivered():
                self._end(head, "delivered", "in_sync", attempt)
            case Refused() if not self.owner.parks_rejected:
                self._refuse(head, Failure("delivery", "rejected", f"{attempt.error}: {attempt.answer}"), attempt)
            case Refused():
                self._park(head, attempt, None)
            case Unavailable(retry_after_seconds=asked):
                self._may_have_arrived |= answer.may_have_arrived
                self._failed(head, attempt, asked)

    def give_up(self, by: str) -> bool:
        """Make a dead letter of the parked command at the front, after the call that is under way; False if none is."""
        if not self.is_parked or not self.queue.items:
            return False
        if self._phase in {Phase.CALLING, Phase.ENDING}:
            self._given_up_by = by
        else:
            self.close()
            self._give_up(self.queue.items[0], by, Attempt())
        return True

    def committed(self) -> bool:
        """The end is committed: call for the next command. False if there is none."""
        self._attempts, self._failing_since, self._may_have_arrived = 0, 0.0, False
        self._phase = Phase.IDLE
        if self.queue.items and not self.owner.is_closing:
            self._offer()  # which may end the next one at once, without a call
        return bool(self.queue.items) or self._phase is not Phase.IDLE

    def close(self) -> None:
        """Call no more."""
        if self._timer is not None:
            self._timer.cancel()

    def broke(self, bug: Exception) -> None:
        """Tell the partition."""
        self.owner.broke(bug)

    def _offer(self) -> None:
        self._phase = Phase.DUE
        self._timer = None
        self.owner.dispatcher.offer(self)

    def _call_in(self, seconds: float) -> None:
        self._phase = Phase.PAUSED
        self._timer = asyncio.get_running_loop().call_later(seconds, self._offer)

    def _recall_attempts(self) -> None:
        """Attempts that a former owner made at what is at the front: one of them may have arrived."""
        head, row = self.queue.items[0], self.row
        if row is not None and row.state != "in_sync" and row.command_id == head.command_id:
            self._attempts = row.attempts
            head.is_started = self._may_have_arrived = self._attempts > 0

    def _failed(self, head: Command, attempt: Attempt, asked_seconds: float | None) -> None:
        owner = self.owner
        is_lasting = attempt.number > owner.retry.max_retries and owner.dispatcher.has_worked_since(self._failing_since)
        if is_lasting or self.is_parked:
            self._park(head, attempt, asked_seconds)
            return
        # While the target works for nobody, the breaker leaves it in peace: growing pauses would outlast the outage.
        attempts = min(attempt.number, max(1, owner.retry.max_retries))
        pause_seconds = owner.retry.pause_seconds(attempts, _chance(), asked_seconds)
        self._tell(head, "failed", attempt)
        self._write_row(head.offset - 1, head, "pending", attempt)
        self._replace_row(next_at=owner.now() + pause_seconds)
        self._call_in(pause_seconds)

    def _park(self, head: Command, attempt: Attempt, asked_seconds: float | None) -> None:
        """Take the queue into the table, and try again later; after long enough give the command up."""
        owner, now = self.owner, self.owner.now()
        if self._given_up_by is not None:
            self._give_up(head, self._given_up_by, attempt)
            return
        if self._is_overdue(head, attempt, now):
            self._refuse(head, Failure("delivery", "given_up", f"{attempt.error}: {attempt.answer}"), attempt)
            return
        self._end_superseded(self.queue.take_all_superseded())
        self._tell(head, "failed" if head.parked_at is not None else "parked", attempt)
        for command in self.queue.items:
            if command.parked_at is None:
                self._keep(command, is_told=command is head)
        tries = self.row.tries + 1 if self.is_parked and self.row is not None else 1
        pause_seconds = owner.retry.pause_seconds(owner.retry.max_retries + tries, _chance(), asked_seconds)
        self._write_row(self.queue.items[-1].offset, head, "parked", attempt)
        since = self.row.parked_since if self.row is not None and self.row.parked_since else rfc3339(now)
        self._replace_row(parked_since=since, tries=tries, next_at=now + pause_seconds)
        self._call_in(pause_seconds)

    def _is_overdue(self, head: Command, attempt: Attempt, now: float) -> bool:
        """Whether it was parked for long enough, and tried often enough while the target was not known to fail."""
        owner = self.owner
        is_tried = attempt.number > owner.retry.max_retries and owner.dispatcher.gate.is_closed
        return is_tried and head.parked_at is not None and now - head.parked_at > owner.give_up_after_seconds

    def _work(self, command: Command) -> Work:
        """What is to be sent; of a parked command the table has it."""
        if command.content is not None:
            return command.content
        if command.parked_at is None:
            raise ValueError(f"{command.command_id} has neither a record nor a carrier")
        return self.owner.parked(self.key, command.offset)

    def _keep(self, command: Command, *, is_told: bool = False) -> None:
        """The table has the command from now on, the topic needn't."""
        record = msgspec.structs.replace(self._work(command).record, parked_at=self.owner.now())
        command.parked_at = record.parked_at
        self.owner.changes.rows[parked_key(self.key, command.offset)] = encode_parked(record)
        self.owner.changes.offsets.append(command.offset)
        self.owner.freed(command)
        command.content = None
        if not is_told:
            self._tell(command, "parked", Attempt())

    def _give_up(self, head: Command, by: str, attempt: Attempt) -> None:
        """As a person wants it; `attempt` is the one that has just failed, if there is one."""
        row = self.row
        last = attempt if attempt.number or row is None else Attempt(row.attempts, row.http_status, row.error)
        self.owner.bury(
            self._work(head).record,
            Failure("delivery", "given_up", f"by {by}; {last.error}: {last.answer or ''}"),
            last,
        )
        self._end(head, "rejected", "rejected", attempt if attempt.number else Attempt(error=f"given up by {by}"))

    def _refuse(self, head: Command, failure: Failure, attempt: Attempt) -> None:
        """The command becomes a dead letter."""
        self.owner.bury(self._work(head).record, failure, attempt)
        self._end(head, "rejected", "rejected", attempt)

    def _end(self, head: Command, status: str, state: str, attempt: Attempt) -> None:
        """Nothing more is done for the command; its site goes on when that is committed."""
        self._phase = Phase.ENDING
        self._given_up_by = None
        self.queue.pop()
        self._forget(head)
        self._tell(head, status, attempt)
        is_still_parked = self.is_parked and status == "rejected" and bool(self.queue.items)
        self._write_row(head.offset, head, "parked" if is_still_parked else state, attempt)
        if self.is_parked and not is_still_parked:
            self._replace_row(parked_since=None, tries=0, next_at=None)
        self.owner.changes.ended.append(self)

    def _end_superseded(self, commands: list[Command]) -> None:
        for command in commands:
            self._forget(command)
            self._tell(command, "superseded", Attempt())
            self._write_row(command.offset)

    def _forget(self, command: Command) -> None:
        if command.parked_at is not None:
            self.owner.changes.rows[parked_key(self.key, command.offset)] = None
        else:
            self.owner.changes.offsets.append(command.offset)
            if command.carrier is None:
                self.owner.freed(command)

    def _tell(self, command: Command, status: str, attempt: Attempt) -> None:
        owner = self.owner
        at = rfc3339(owner.now())
        result = result_of(command, self.key.decode("utf-8", "replace"), owner.target, status, attempt, at=at)
        owner.tell(result)
        if status in AUDITED:
            owner.audit(command, result)

    def _write_row(
        self, offset: int, command: Command | None = None, state: str = "pending", attempt: Attempt | None = None
    ) -> None:
        """The row as it is now; without a command only the offset moves."""
        row = self.row
        offset = offset if row is None else max(offset, row.offset)
        if row is not None and command is None:
            self._replace_row(offset=offset)
            return
        command, attempt = command or self.queue.items[0], attempt or Attempt()
        parked = (row.parked_since, row.tries, row.next_at) if row is not None and self.is_parked else (None, 0, None)
        self._set_row(
            DeliveryRow(
                state,
                command.command_id,
                command.action,
                attempt.number,
                attempt.http_status,
                attempt.error,
                rfc3339(self.owner.now()),
                offset,
                *parked,
            )
        )

    def _replace_row(self, **fields: object) -> None:
        if self.row is not None:
            self._set_row(msgspec.structs.replace(self.row, **fields))

    def _set_row(self, row: DeliveryRow) -> None:
        self.row = row
        self.owner.changes.rows[self.key] = encode_delivery(row)


def _chance() -> float:
    return random.random()  # noqa: S311 -- jitter
