"""Every log event that `log` writes, declared once: its stable name, its level and when it is written."""

import logging
from dataclasses import dataclass
from typing import Literal

EventName = Literal[
    "audit_chain_closed",
    "accounting_mismatch",
    "batch_completed",
    "batch_interrupted",
    "batch_lease_lost",
    "batch_query_refused",
    "batch_started",
    "breaker_changed",
    "certificates_unfit",
    "given_up_by_hand",
    "kafka_unreachable",
    "mapping_changed",
    "mapping_refused",
    "mapping_unreachable",
    "part_off",
    "partitions_dropped",
    "read_model_interrupted",
    "read_model_refused",
    "read_model_resumed",
    "read_model_superseded",
    "schema_migrated",
    "topics_created",
    "worker_starting",
    "worker_stopped",
]


@dataclass(frozen=True, slots=True)
class LogEvent:
    """How grave an event is, one of the levels of `logging`, and what it tells."""

    level: int
    help: str


LOG_EVENTS: dict[EventName, LogEvent] = {
    "audit_chain_closed": LogEvent(
        logging.INFO, "the audit log of `day` and partition `chain` has `rows` rows, the last one with `hash`"
    ),
    "accounting_mismatch": LogEvent(
        logging.ERROR, "`difference` commands of `target` are neither ended nor parked nor pending, as `account` has it"
    ),
    "batch_completed": LogEvent(logging.INFO, "`run` of `operation` has delivered all that it began with"),
    "batch_interrupted": LogEvent(
        logging.WARNING, "`run` of `operation` waits, because of `error`; gone on with later"
    ),
    "batch_lease_lost": LogEvent(logging.WARNING, "another worker has `run` of `operation` now: this one leaves it"),
    "batch_query_refused": LogEvent(logging.ERROR, "`operation` can't be run until its `problem` is mended"),
    "batch_started": LogEvent(logging.INFO, "`run` of `operation` begins here, or goes on if it was `resumed`"),
    "breaker_changed": LogEvent(logging.WARNING, "the breaker of `target` is in `state` now, for `reason`"),
    "certificates_unfit": LogEvent(
        logging.WARNING, "the new `files` can't be used, as `error` says: connections go on with what they held before"
    ),
    "given_up_by_hand": LogEvent(
        logging.INFO, "the command that kept `site` parked for `target` becomes a dead letter, as `by` wants it"
    ),
    "kafka_unreachable": LogEvent(logging.WARNING, "no broker of `servers` answers, as `error` says; tried again"),
    "mapping_changed": LogEvent(
        logging.INFO, "the mapping from `source` decides now, under `config_id`; until now `before`"
    ),
    "mapping_refused": LogEvent(
        logging.ERROR, "the database's mapping has `mistakes`: that of `config_id` stays in force"
    ),
    "mapping_unreachable": LogEvent(
        logging.WARNING, "the database does not answer, as `error` says: the mapping from `source` stays in force"
    ),
    "part_off": LogEvent(logging.WARNING, "`part` does not run: its block or its secret is absent, as `why` says"),
    "partitions_dropped": LogEvent(logging.INFO, "`partitions` in PostgreSQL were kept long enough"),
    "read_model_interrupted": LogEvent(
        logging.WARNING, "nothing can be written to PostgreSQL, as `error` says; tried again, the streams go on"
    ),
    "read_model_refused": LogEvent(
        logging.ERROR, "the record at `topic`, `partition`, `offset` with `key` has no place in PostgreSQL: `why`"
    ),
    "read_model_resumed": LogEvent(logging.INFO, "PostgreSQL is written again; what stood in the way was `error`"),
    "read_model_superseded": LogEvent(
        logging.WARNING, "another worker has written what this one had of `partitions`: nothing was written twice"
    ),
    "schema_migrated": LogEvent(logging.INFO, "the `steps` of the schema were missing and are there now"),
    "topics_created": LogEvent(logging.INFO, "`topics` were missing and are there now"),
    "worker_starting": LogEvent(logging.INFO, "a worker of `app_id` starts, with configuration `config_id`, at `url`"),
    "worker_stopped": LogEvent(logging.INFO, "the worker has let go of everything"),
}
