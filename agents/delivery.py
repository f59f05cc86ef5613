"""Deliver one target's commands: a site's calls in log order, sites in parallel, results and offset together."""

import asyncio
import time

from sitehub.agents.delivery_records import (
    ENDS,
    Attempt,
    Changes,
    Command,
    Work,
    audit_of,
    count,
    dead_letter_of,
    no_command,
)
from sitehub.agents.dispatcher import Caller
from sitehub.agents.documents import fit
from sitehub.agents.intake import Intake
from sitehub.agents.ledger import Ledger
from sitehub.agents.prefix import Prefix
from sitehub.agents.site_delivery import SiteDelivery
from sitehub.agents.target_delivery import Delivery
from sitehub.codecs.commands import decode_for_call
from sitehub.codecs.results import Result
from sitehub.codecs.rows import (
    LEDGER_KEY,
    PARKED_PREFIX,
    decode_delivery,
    decode_ledger,
    decode_parked,
    encode_ledger,
    parked_key,
)
from sitehub.engine.batch import Outcome, Record
from sitehub.engine.partition import Draining, Partition
from sitehub.engine.source import Loop
from sitehub.rules.account import Account
from sitehub.rules.delivery import DeliveryRow, LedgerRow, ParkedCommand
from sitehub.rules.failure import Failure
from sitehub.rules.site_queue import Queued
from sitehub.rules.times import instant, rfc3339

COMMIT_SECONDS = 0.02
"""Results gather this long before a transaction carries them: a transaction costs the broker about 5 ms."""
LONGEST_STEPS = 4
"""So many times as long if no call waits for the commit: with the transaction it stays below 100 ms."""
DRAIN_SECONDS = 4.0
"""When the partition is given up, calls in flight have this long to end."""
MAX_UNCOMMITTED = 2_000
"""Results that gather for one transaction before calls wait for it."""


def delivery_loop(delivery: Delivery) -> Loop:
    """Make the engine's loop for the commands of one target."""

    async def run(partition: Partition) -> None:
        running = PartitionDelivery(delivery, partition)
        delivery.partitions.add(running)
        try:
            await running.run()
        finally:
            delivery.partitions.discard(running)

    return run


class PartitionDelivery:
    """Reads commands, hands each site to the dispatcher in turn, and commits what came of the calls."""

    def __init__(self, delivery: Delivery, partition: Partition) -> None:
        self.target = delivery.target
        self.dispatcher = delivery.dispatcher
        self.retry = delivery.retry
        self.give_up_after_seconds = delivery.give_up_after_seconds
        self.parks_rejected = delivery.parks_rejected
        self.now = delivery.now
        self.changes = Changes()
        self._writing = self.changes
        self.is_closing = False
        self._delivery = delivery
        self._partition = partition
        self._prefix = Prefix()
        stored = partition.get([LEDGER_KEY])[0]
        self._ledger = Ledger(self._prefix, decode_ledger(stored) if stored is not None else self._first_ledger())
        self._sites: dict[bytes, SiteDelivery] = {}
        self._intake = Intake(self._prefix)
        self._news = asyncio.Event()
        self._committing = asyncio.Lock()
        self._bug: Exception | None = None
        self._waiting: list[Caller] = []

    @property
    def number(self) -> int:
        """Of the partition."""
        return self._partition.number

    @property
    def account(self) -> Account:
        """What became of the partition's commands."""
        sites = self._sites.values()
        parked = sum(site.parked for site in sites)
        return self._ledger.account(parked=parked, pending=sum(len(site.queue.items) for site in sites) - parked)

    @property
    def oldest(self) -> float | None:
        """When, in seconds since 1970, the event happened whose command has waited longest; None if none waits."""
        heads = [site.queue.items[0].event_timestamp for site in self._sites.values() if site.queue.items]
        return min((instant(head).timestamp() for head in heads), default=None)

    async def run(self) -> None:
        """Until the partition is to be given up."""
        async with asyncio.TaskGroup() as group:
            committer = group.create_task(self._commit_for_ever())
            try:
                self._restore()
                await self._take()
            except Draining:
                pass
            finally:
                self.is_closing = True
                for site in self._sites.values():
                    site.close()
                await self.dispatcher.drop(self, DRAIN_SECONDS)
                async with self._committing:  # a transaction that is cut has an unknown outcome
                    committer.cancel()
        await self._commit()

    def _first_ledger(self) -> LedgerRow:
        """Of a table that has none: an older hub may have parked commands in it."""
        return LedgerRow(passed=sum(1 for _ in self._partition.scan(PARKED_PREFIX)))

    def _restore(self) -> None:
        """Queues of the sites that were parked when the partition was taken over."""
        for _, row in self._partition.scan(PARKED_PREFIX):
            parked = decode_parked(row)
            site = self._sites.get(parked.site) or self._site(parked.site, self._row(parked.site))
            command = self._queued(parked)
            command.parked_at = parked.parked_at
            site.restored(command)
        for site in list(self._sites.values()):
            site.resume()

    async def _take(self) -> None:
        while True:
            batch = await self._partition.take()
            rows = self._partition.get([record.key or b"" for record in batch.records])
            for record, row in zip(batch.records, rows, strict=True):
                self._prefix.begin(record.offset)
                site = self._sites.get(record.key or b"")
                known = site.row if site is not None else decode_delivery(row) if row is not None else None
                if known is not None and record.offset <= known.offset:
                    self._prefix.end(record.offset)  # ended before a restart, beyond the offset that was committed
                    self._ledger.read_again()
                else:
                    self._hold(record, site or self._site(record.key or b"", known))
            await self._intake.room(self._partition)

    def _hold(self, record: Record, site: SiteDelivery) -> None:
        parked = ParkedCommand(record.key or b"", record.offset, record.value or b"", record.headers, 0)
        command = self._queued(parked)
        self._intake.hold(command)
        site.arrived(command, is_older=record.offset < self._partition.first_unread)

    def _site(self, key: bytes, row: DeliveryRow | None) -> SiteDelivery:
        site = self._sites[key] = SiteDelivery(self, key, row)
        return site

    def _row(self, key: bytes) -> DeliveryRow | None:
        row = self._partition.get([key])[0]
        return decode_delivery(row) if row is not None else None

    def _queued(self, record: ParkedCommand) -> Command:
        work = self._work(record)
        call = work.call
        is_document = call.method == "PUT" and call.action in self._delivery.coalesced
        return Queued(
            record.offset,
            call.command_id,
            call.event_id,
            call.event_timestamp,
            call.action,
            call.path if is_document else None,
            work,
        )

    def _work(self, record: ParkedCommand) -> Work:
        try:
            call = decode_for_call(record.value)
            fitting = fit(call, self._delivery.on_null)
        except ValueError as error:  # somebody else wrote to the topic: a dead letter, as of any record
            place = f"{self._partition.source.topic}/{self.number}/{record.offset}"
            call = no_command(place, self.target, record.site, at=rfc3339(self.now()))
            return Work(record, call, Failure("decode", "not_a_command", str(error)))
        return Work(record, call, fitting) if isinstance(fitting, Failure) else Work(record, fitting)

    def parked(self, site: bytes, offset: int) -> Work:
        """A parked command, from the table or from what is about to be written to it."""
        key = parked_key(site, offset)
        row = self.changes.rows.get(key) or self._writing.rows.get(key) or self._partition.get([key])[0]
        if row is None:
            raise LookupError(f"the table has no parked command {offset} of {site!r}")
        return self._work(decode_parked(row))

    def is_ours(self) -> bool:
        """Whether no other worker can own the partition: less than half a session has gone since the last proof."""
        return time.monotonic() - self._partition.proven_at < self._delivery.lease_seconds

    def may_call(self, site: Caller) -> bool:
        """Whether the partition is ours for sure; if not, `site` is offered again once a transaction has proved it.

        Fencing keeps a worker that was frozen or cut off from writing to Kafka, not from calling targets.
        """
        if self.is_closing:
            return False
        if self.is_ours() and len(self.changes.results) < MAX_UNCOMMITTED:
            return True
        self.call_after_commit(site)
        return False

    def call_after_commit(self, site: Caller) -> None:
        """Offer `site` again once all of `changes` is committed."""
        self._waiting.append(site)
        self._news.set()

    def changed(self) -> None:
        """Commit soon."""
        self._news.set()

    def tell(self, result: Result) -> None:
        """Put `result` into the next transaction."""
        self.changes.results.append(result)
        if result.status in ENDS:
            self._ledger.ended(result.status)
        self._news.set()

    def freed(self, command: Command) -> None:
        """A command lies in memory no more, or in the table too."""
        self._intake.free(command)

    def give_up(self, site: bytes, by: str) -> bool:
        """Make a dead letter of the site's parked command at the front; False if it has none here."""
        return site in self._sites and self._sites[site].give_up(by)

    def broke(self, bug: Exception) -> None:
        """End the loop with what was raised."""
        self._bug = bug
        self._news.set()

    def bury(self, record: ParkedCommand, failure: Failure, attempt: Attempt) -> None:
        """Make a dead letter of the record."""
        letter = dead_letter_of(
            record,
            failure,
            attempt,
            topic=self._partition.source.topic,
            partition=self._partition.number,
            target=self.target,
            at=rfc3339(self.now()),
        )
        self.changes.dead_letters.append((failure, letter))

    def audit(self, command: Command, result: Result) -> None:
        """Tell the audit log of a command's end, or that it was parked."""
        partition = self._partition
        self.changes.audits.append(
            audit_of(
                result,
                was_parked=command.parked_at is not None and result.status != "parked",
                source=f"{partition.source.topic}/{partition.number}/{command.offset}",
                config_id=self._delivery.config_id,
            )
        )

    async def _commit_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            for _ in range(LONGEST_STEPS):
                await asyncio.sleep(COMMIT_SECONDS)
                if self._is_awaited:
                    break
            await self._commit()

    @property
    def _is_awaited(self) -> bool:
        """Whether a call waits for the commit, or somebody for the end of this loop."""
        return bool(self._bug or self._waiting) or any(ended.has_more for ended in self.changes.ended)

    async def _commit(self) -> None:
        async with self._committing:
            if self._bug is not None:
                raise self._bug
            changes, self.changes = self.changes, Changes()
            self._writing = changes
            if not changes.is_empty or self._waiting or self._delivery.notes:
                await self._write(changes)

    async def _write(self, changes: Changes) -> None:
        for offset in changes.offsets:
            self._prefix.end(offset)
        next_offset = self._prefix.next_offset
        notes = list(self._delivery.notes)
        self._delivery.notes.clear()
        sends = {
            self._delivery.results_topic: [*changes.result_messages(), *notes],
            self._delivery.dead_letter_topic: [letter for _, letter in changes.dead_letters],
            self._delivery.audit_topic: changes.audit_messages(),
        }
        rows = [*changes.table(), (LEDGER_KEY, encode_ledger(self._ledger.row))]
        waiting, self._waiting = self._waiting, []
        try:
            await self._partition.commit(
                Outcome(rows, sends, lambda: self._count(changes)),
                self._partition.next_offset if next_offset is None else next_offset,
            )
        except BaseException:
            self._delivery.notes.extendleft(reversed(notes))
            raise
        for site in waiting:
            self.dispatcher.offer(site)
        for ended in changes.ended:
            if not ended.committed():
                del self._sites[ended.key]
        self._intake.look_again()

    def _count(self, changes: Changes) -> None:
        metrics = self._delivery.metrics
        count(metrics, self.target, changes.results)
        for failure, _ in changes.dead_letters:
            metrics.dead_letters.labels(self._partition.source.topic, failure.stage, failure.reason).inc()
