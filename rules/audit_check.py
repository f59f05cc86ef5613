"""Whether the rows of the audit log are those that were written: each changed, missing or foreign one by its name."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date

import msgspec

from sitehub.rules.audit_chain import NOTHING, Head, Row, row_hash

MOST_FINDINGS = 1_000
"""Are kept; all are counted."""

Place = tuple[date, int, int]
"""Day, chain and position of a row."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it was written.

    `kind` is changed, deleted, inserted, reordered, or broken where a row is not behind the one that it names.
    """

    kind: str
    day: date
    chain: int
    position: int
    log_offset: int | None
    """Of the record in the topic; None if no row is there."""
    text: str


class Check:
    """Takes all rows, ordered by day, chain and position, and tells at the end what is wrong with them."""

    def __init__(
        self, heads: Iterable[Head], *, is_expired: Callable[[date], bool], known: Mapping[Place, bytes] | None = None
    ) -> None:
        """`is_expired` tells which days are kept no longer; `known` has hashes of rows, known from an earlier check."""
        self.rows = 0
        self.expired_rows = 0
        self.found = 0
        self.findings: list[Finding] = []
        self._heads = {(head.day, head.chain): head for head in heads}
        self._is_expired = is_expired
        self._known = dict(known or {})
        self._seen: set[tuple[date, int]] = set()
        self._head: Head | None = None
        self._position, self._hash, self._offset = 0, NOTHING, -1
        for head in self._heads.values():
            if head.after_day is not None:
                self._known.setdefault((head.after_day, head.chain, head.after_rows), head.begins)

    def take(self, row: Row) -> None:
        """The next row."""
        content = row.content
        key = content.day, content.chain
        if self._head is None or key != (self._head.day, self._head.chain):
            self._close()
            self._head = self._heads.get(key)
            self._seen.add(key)
            self._position, self._hash = 0, self._head.begins if self._head is not None else NOTHING
            self._offset = -1
        self.rows += 1
        if self._head is None:
            self._tell("inserted", row, "there is no chain of that day and partition")
        elif row.position > self._head.rows:
            self._tell("inserted", row, f"the chain ends at row {self._head.rows}")
        elif row.position <= self._position:
            self._tell("inserted", row, "there is another row in its place")
        else:
            self._follow(row)

    def _follow(self, row: Row) -> None:
        """A row where one is expected."""
        content = row.content
        missing = row.position - self._position - 1
        if missing and self._head is not None:
            self._tell_missing(self._head, self._position + 1, row.position - 1, "")
        if row_hash(row.previous_hash, content) != row.hash or content.at.astimezone(UTC).date() != content.day:
            self._tell("changed", row, "its content is not what its hash was made of")
        elif not missing and row.previous_hash != self._hash:
            self._tell("broken", row, f"the row before it, {row.position - 1}, is not the one that it was chained to")
        elif content.log_offset <= self._offset:
            self._tell("reordered", row, f"it came before the row before it, which is of offset {self._offset}")
        elif self._known.get((content.day, content.chain, row.position), row.hash) != row.hash:
            self._tell("changed", row, "its hash was another one: it was changed, and the chain made anew behind it")
        self._position, self._hash, self._offset = row.position, row.hash, content.log_offset

    def _close(self) -> None:
        head = self._head
        if head is None:
            return
        if self._position < head.rows:
            self._tell_missing(head, self._position + 1, head.rows, " at the end of the chain")
        elif (self._hash, self._offset) != (head.hash, head.last_offset):
            text = "the last row is not the one that the head of the chain names"
            self._add(Finding("broken", head.day, head.chain, self._position, self._offset, text))

    def finish(self, next_offsets: Mapping[int, int]) -> None:
        """All rows were taken. `next_offsets` has by chain where the topic is to be read on."""
        self._close()
        for (day, chain), unseen in sorted(self._heads.items()):
            if (day, chain) in self._seen:
                continue
            if self._is_expired(day):
                self.expired_rows += unseen.rows
            else:
                self._tell_missing(unseen, 1, unseen.rows, ", all of the chain")
        for day, chain, position in sorted(self._known):
            head = self._heads.get((day, chain))
            if position > (head.rows if head is not None else 0) and not self._is_expired(day):
                self._add(
                    Finding("deleted", day, chain, position, None, "an earlier check or a later chain knows this row")
                )
        chains: dict[int, list[Head]] = defaultdict(list)
        for head in sorted(self._heads.values(), key=lambda head: head.number):
            chains[head.chain].append(head)
        for heads in chains.values():
            self._follow_heads(heads)
        for chain in sorted(chains.keys() | next_offsets.keys()):
            self._end_of(
                chain, max((head.last_offset for head in chains[chain]), default=-1), next_offsets.get(chain, 0)
            )

    def _follow_heads(self, heads: list[Head]) -> None:
        """A partition's chains follow each other without a gap."""
        former: Head | None = None
        for head in heads:
            expected = former.number + 1 if former is not None else 1
            if head.number != expected:
                text = f"{head.number - expected} chains before it are gone with their heads"
                self._add(Finding("deleted", head.day, head.chain, 0, None, text))
            elif former is not None and (head.after_day != former.day or head.after_rows > former.rows):
                text = f"it was begun behind row {head.after_rows} of {head.after_day}, which is not there"
                self._add(Finding("broken", head.day, head.chain, 0, None, text))
            elif former is not None and head.after_rows == former.rows and head.begins != former.hash:
                text = f"it was begun behind another end of the chain of {former.day}"
                self._add(Finding("broken", head.day, head.chain, 0, None, text))
            former = head

    def _end_of(self, chain: int, last_offset: int, next_offset: int) -> None:
        if next_offset != last_offset + 1:
            day = max((head.day for head in self._heads.values() if head.chain == chain), default=date.min)
            text = f"the topic was read up to offset {next_offset - 1}, the newest chain ends with offset {last_offset}"
            self._add(Finding("deleted", day, chain, 0, None, text))

    def _tell_missing(self, head: Head, first: int, last: int, where: str) -> None:
        rows = f"row {first} is" if first == last else f"rows {first} to {last} are"
        self._add(Finding("deleted", head.day, head.chain, first, None, f"{rows} missing{where}"))

    def _tell(self, kind: str, row: Row, text: str) -> None:
        content = row.content
        self._add(Finding(kind, content.day, content.chain, row.position, content.log_offset, text))

    def add(self, findings: Iterable[Finding]) -> None:
        """Take what was found elsewhere too."""
        for finding in findings:
            self._add(finding)

    def _add(self, finding: Finding) -> None:
        self.found += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)
