"""Which mapping decides, where it comes from, and why a newer one does not."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sitehub.agents.sites import RulesInForce
from sitehub.rules.mapping import MappingEntry
from sitehub.rules.sync import SyncRules
from sitehub.settings import Settings
from sitehub.settings.mapping import MappingMistake, with_mapping
from sitehub.stores.kept_mapping import KeptMapping
from sitehub.telemetry.logs import log
from sitehub.telemetry.metrics import Metrics

REASONS = ("unknown_field", "unknown_transformation", "twice", "rule")

Entries = Mapping[str, list[MappingEntry]]


@dataclass(frozen=True, slots=True)
class MappingChange:
    """One mapping took the place of another."""

    before: Settings
    after: Settings


class MappingInForce:
    """Takes a mapping if it fits the configuration; else the one before stays, and says why.

    Batches that are folded after `take` has returned are decided by the new rules.
    """

    def __init__(
        self,
        configured: Settings,
        rules: RulesInForce,
        compiled: Callable[[Settings], SyncRules],
        kept: KeptMapping,
        metrics: Metrics,
    ) -> None:
        self.settings = configured
        """With the mapping that is in force."""
        self.source = "configuration"
        self.mistakes: list[MappingMistake] = []
        """Why the newest mapping is not in force."""
        self.error: str | None = None
        """Why the newest mapping is not known."""
        self._configured, self._rules, self._compiled = configured, rules, compiled
        self._kept, self._metrics = kept, metrics
        self._seen: Entries | None = None
        self.unrecorded: list[MappingChange] = []
        """Changes that the audit log does not have yet."""
        self._count(())

    def recall(self) -> None:
        """What this worker had last: it holds until the database answers."""
        if (entries := self._kept.read()) is not None:
            self.take(entries, "kept")

    def take(self, entries: Entries, source: str = "database") -> None:
        """The mapping as it is now; nothing happens if it was so before."""
        self.error = None
        if (entries, source) == (self._seen, self.source) and not self.mistakes:
            return
        found = with_mapping(self._configured, entries)
        if isinstance(found, list):
            self._refuse(found)
            return
        self._seen, self.source, self.mistakes = entries, source, []
        self._count(())
        if found.config_id != self.settings.config_id:
            before, self.settings = self.settings, found
            self._rules.current = self._compiled(found)
            self._metrics.mapping_changes.inc()
            log("mapping_changed", source=source, config_id=found.config_id, before=before.config_id)
            if source != "kept":
                self.unrecorded.append(MappingChange(before, found))
        if source != "kept":
            self._kept.write(dict(entries))

    def _refuse(self, mistakes: list[MappingMistake]) -> None:
        if mistakes != self.mistakes:
            log("mapping_refused", config_id=self.settings.config_id, mistakes=[one.text for one in mistakes])
        self.mistakes = mistakes
        self._count(mistakes)

    def lost(self, error: str) -> None:
        """The database does not answer: what is in force stays."""
        if self.error is None:
            log("mapping_unreachable", error=error, source=self.source)
        self.error = error

    @property
    def is_stale(self) -> bool:
        """Whether a newer mapping is not in force, or might be there."""
        return bool(self.mistakes or self.error)

    def _count(self, mistakes: list[MappingMistake] | tuple[()]) -> None:
        counts = Counter(one.reason for one in mistakes)
        for reason in REASONS:
            self._metrics.mapping_mistakes.labels(reason).set(counts[reason])

    def report(self) -> dict[str, Any]:
        """For `/health`."""
        return {
            "config_id": self.settings.config_id,
            "source": self.source,
            "error": self.error,
            "mistakes": [one.text for one in self.mistakes],
        }
