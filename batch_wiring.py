"""From settings to what batch sync takes."""

from collections.abc import Callable
from datetime import UTC
from zoneinfo import ZoneInfo

from sitehub.agents.batch_calls import BatchCall, BatchCaller
from sitehub.agents.batch_dead_letters import BatchDeadLetters
from sitehub.agents.batch_run import BatchOperation, BatchRun
from sitehub.agents.batch_sync import BatchPlan, MakeRun
from sitehub.agents.gate import TargetGate
from sitehub.agents.sites import RulesInForce
from sitehub.clients.target import Target
from sitehub.postgres_wiring import database_address
from sitehub.rules.source_query import SourceQuery, parse_query
from sitehub.settings import Settings
from sitehub.settings.sync import BatchSyncConfig
from sitehub.stores.postgres.address import Address
from sitehub.stores.postgres.batch_ledger import Advance, BatchLedger, Lease, Run
from sitehub.stores.postgres.batch_source import BatchSource
from sitehub.telemetry.metrics import Metrics
from sitehub.topics.declared import dead_letters_of, names_of
from sitehub.wiring import kafka_client, retry_policy


def batch_operations(settings: Settings) -> list[BatchOperation]:
    """The configured operations, in their order; none without a block."""
    block = settings.configuration.batch_sync_config
    return [] if block is None else [*_operations(block)]


def _operations(block: BatchSyncConfig) -> list[BatchOperation]:
    return [
        BatchOperation(
            name=one.operation,
            query=_query(one.source_query),
            key=one.key,
            target=one.target,
            method=one.method,
            path=one.target_endpoint,
            batch_size=block.batch_size,
            parallel_workers=block.parallel_workers,
        )
        for one in block.sync_operations
    ]


def _query(text: str) -> SourceQuery:
    query = parse_query(text)
    if isinstance(query, str):
        raise TypeError(f"{text}: {query}")  # the configuration has been checked
    return query


def batch_plan(settings: Settings, off: dict[str, str]) -> BatchPlan | str:
    """What is to be run when, or why nothing is; `off` are targets that can't be called, and why."""
    block = settings.configuration.batch_sync_config
    if block is None:
        return "there is no batch_sync_config"
    operations = _operations(block)
    problems = {one.name: off[one.target] for one in operations if one.target in off}
    zone = UTC if block.time_zone == "UTC" else ZoneInfo(block.time_zone)
    return BatchPlan([one for one in operations if one.name not in problems], block.schedule, zone, problems)


def batch_source(settings: Settings) -> BatchSource | str:
    """Where rows are read: the replica, if there is one, before the primary; or why they can't be."""
    found = [database_address(settings, "read_replica"), database_address(settings, "primary")]
    servers = [server for server in found if isinstance(server, Address)]
    block = settings.configuration.batch_sync_config
    if block is None or not isinstance(found[-1], Address):
        return f"{found[-1]}" if block is not None else "there is no batch_sync_config"
    return BatchSource(servers, block.statement_timeout / 1000)


def run_maker(
    settings: Settings,
    source: BatchSource,
    *,
    targets: dict[str, Target],
    gates: dict[str, TargetGate],
    rules: RulesInForce,
    metrics: Metrics,
) -> MakeRun:
    """What makes a run of an operation, with the target's connections, breaker and pace that delivery uses too."""

    def make(
        operation: BatchOperation, run: Run, lease: Lease, ledger: BatchLedger, done: Callable[[Advance], None]
    ) -> BatchRun:
        name = operation.target
        retry = retry_policy(settings.configuration.integrations[name])
        topic = dead_letters_of(names_of(settings).commands(name))
        letters = BatchDeadLetters(kafka_client(settings), topic, name, lambda: rules.current.config_id)

        def caller(call: BatchCall, may_call: Callable[[], None]) -> BatchCaller:
            config_id = lambda: rules.current.config_id  # noqa: E731 -- as it is at each call
            return BatchCaller(targets[name], gates[name], retry, call, may_call, config_id, metrics)

        return BatchRun(
            operation=operation,
            run=run,
            lease=lease,
            ledger=ledger,
            source=source,
            caller_of=caller,
            mapping=lambda: rules.current.mappings.get(name),
            bury=letters.bury,
            done=done,
        )

    return make
