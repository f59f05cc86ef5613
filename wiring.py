"""From settings to what the parts take."""

import contextlib
import ssl
import time
from pathlib import Path
from typing import Any

from sitehub.agents.audit_trail import AuditTrail, operator
from sitehub.agents.dispatcher import Dispatcher, Gate
from sitehub.agents.gate import Changed, Share, TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.sites import RulesInForce, SiteHandler
from sitehub.agents.target_delivery import Delivery
from sitehub.clients.target import Target, TargetSettings
from sitehub.codecs.avro_events import AvroDecoder, read_folder
from sitehub.codecs.events import EventDecoder
from sitehub.codecs.schemas import shipped_schemas
from sitehub.engine.observer import Observer, State
from sitehub.engine.partition import TopicPartition
from sitehub.login_wiring import credentials_of, rendered, rendered_headers, tls_files
from sitehub.rules.audit import Masks
from sitehub.rules.breaker import Breaker, BreakerPolicy
from sitehub.rules.mapping import Mapping, MappingEntry
from sitehub.rules.pace import Pace
from sitehub.rules.retry import RetryPolicy, StatusRules
from sitehub.rules.sync import SyncRule, SyncRules
from sitehub.settings import ConfigurationError, Integration, Mistake, Settings
from sitehub.settings.secrets import variable
from sitehub.settings.transformations import transformations
from sitehub.telemetry.metrics import Metrics
from sitehub.topics.declared import dead_letters_of, names_of

Schemas = dict[str, dict[str, dict[str, Any]]]


def kafka_client(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of an aiokafka client: addresses, encryption and login.

    Raises ConfigurationError if the login's password is missing: nothing works without Kafka.
    """
    kafka = settings.configuration.kafka_config
    client: dict[str, Any] = {
        "bootstrap_servers": ",".join(kafka.bootstrap_servers),
        "security_protocol": kafka.security_protocol,
        "client_id": settings.app_id,
    }
    if "SSL" in kafka.security_protocol.split("_"):
        context = ssl.create_default_context(cafile=kafka.ssl_cafile)
        if kafka.ssl_certfile is not None:
            context.load_cert_chain(kafka.ssl_certfile, kafka.ssl_keyfile)
        client["ssl_context"] = context
    if kafka.security_protocol.startswith("SASL"):
        client["sasl_mechanism"] = kafka.sasl_mechanism
        client["sasl_plain_username"] = kafka.sasl_username
        client["sasl_plain_password"] = _needed_secret(settings, "kafka_config", "sasl_password")
    return client


def _needed_secret(settings: Settings, *path: str) -> str:
    if (secret := settings.secret(*path)) is None:
        raise ConfigurationError([Mistake(f"${variable(path)}", ".".join(path), "nothing", "the secret, or its _FILE")])
    return secret


def event_schemas(settings: Settings) -> Schemas:
    """JSON Schema by event type and version: those that are shipped, and over them those of the configuration."""
    schemas: Schemas = {kind: {block["version"]: block["schema"]} for kind, block in shipped_schemas().items()}
    for kind, block in settings.configuration.event_schemas.items():
        schemas[kind] = {block.version: block.schema_}
    return schemas


def sync_rules(settings: Settings) -> SyncRules:
    """The real-time rules, compiled, with each target's mapping."""
    configuration = settings.configuration
    rules = [
        SyncRule(
            rule.trigger,
            rule.action,
            rule.endpoint,
            rule.method,
            rule.data_template,
            rule.condition,
            rule.target,
            rendered_headers(configuration.integrations[rule.target]),
            rendered(configuration.integrations[rule.target].query),
        )
        for rule in configuration.realtime_sync_rules
    ]
    mappings = {target: Mapping(entries, transformations()) for target, entries in mapping_entries(settings).items()}
    return SyncRules(rules, mappings, settings.config_id)


def called_targets(settings: Settings) -> list[str]:
    """Targets that rules or batch operations name, sorted: each has its topics and its delivery."""
    batch = settings.configuration.batch_sync_config
    operations = batch.sync_operations if batch is not None else []
    rules = settings.configuration.realtime_sync_rules
    return sorted({one.target for one in rules} | {one.target for one in operations})


def mapping_entries(settings: Settings) -> dict[str, list[MappingEntry]]:
    """The mapping of each target, as the rules take it."""
    return {
        target: [MappingEntry(one.source_field, one.target_field, one.transformation) for one in entries.values()]
        for target, entries in settings.configuration.data_mappings.items()
    }


def site_handler(settings: Settings, metrics: Metrics, rules: RulesInForce | None = None) -> SiteHandler:
    """What folds batches of site events."""
    names, rules = names_of(settings), rules or RulesInForce(sync_rules(settings))
    return SiteHandler(
        decoder=EventDecoder(event_schemas(settings), key_field="site_id", avro=_avro_decoder(settings)),
        rules=rules,
        metrics=metrics,
        now=time.time,
        commands_topics={name: names.commands(name) for name in rules.current.targets},
        dead_letter_topic=dead_letters_of(names.site_events),
        audit_topic=names.audit_log,
        masks=audit_masks(settings),
    )


def audit_masks(settings: Settings) -> Masks:
    """What the audit log may not show."""
    return Masks(settings.configuration.audit.masked_fields)


def audit_trail(settings: Settings, actor: str | None = None) -> AuditTrail:
    """What records the doings of `actor`; without one, of the operator who runs this process."""
    topic, masks = names_of(settings).audit_log, audit_masks(settings)
    return AuditTrail(kafka_client(settings), topic, settings.config_id, masks, time.time, actor or operator())


def _avro_decoder(settings: Settings) -> AvroDecoder | None:
    """Of the registry's folder; None if there is none. Raises AvroSchemaError."""
    registry = settings.configuration.schema_registry
    return AvroDecoder(read_folder(Path(registry.folder))) if registry and registry.folder else None


def target_settings(settings: Settings, name: str) -> TargetSettings | str:
    """How to call a target, or why that can't be done."""
    block, credentials = settings.configuration.integrations[name], credentials_of(settings, name)
    if isinstance(credentials, str):
        return credentials
    return TargetSettings(
        name,
        block.api_endpoint,
        {},
        block.timeout / 1000,
        block.max_in_flight,
        credentials,
        StatusRules(
            frozenset(block.success_on),
            frozenset(block.retry_on),
            frozenset(block.reject_on),
            frozenset(block.renew_on),
        ),
        tls=tls_files(block),
        errors_in_body=block.authentication.type == "token",
        masked_fields=frozenset(block.masked_fields),
    )


def retry_policy(block: Integration) -> RetryPolicy:
    """As the block says."""
    policy = block.retry_policy
    return RetryPolicy(policy.max_retries, policy.backoff_multiplier, policy.initial_delay)


def delivery_of(
    settings: Settings, name: str, target: Target, gate: Gate, metrics: Metrics, *, lease_seconds: float
) -> Delivery:
    """What the loops of a target's partitions share."""
    names, block = names_of(settings), settings.configuration.integrations[name]
    rules = settings.configuration.realtime_sync_rules
    return Delivery(
        target=name,
        dispatcher=Dispatcher(target, gate, block.max_in_flight, time.time),
        retry=retry_policy(block),
        coalesced=frozenset(rule.action for rule in rules if rule.target == name and rule.is_coalesced),
        give_up_after_seconds=block.give_up_after,
        parks_rejected=block.on_rejected == "park_site",
        on_null=block.on_null,
        metrics=metrics,
        now=time.time,
        lease_seconds=lease_seconds,
        results_topic=names.sync_results,
        dead_letter_topic=dead_letters_of(names.commands(name)),
        audit_topic=names.audit_log,
        config_id=settings.config_id,
    )


def target_gate(
    settings: Settings, name: str, channel: HubChannel, metrics: Metrics, *, share: Share, changed: Changed
) -> TargetGate:
    """A target's breaker and pace."""
    block = settings.configuration.integrations[name]
    breaker, limit = block.circuit_breaker, block.rate_limit
    policy = BreakerPolicy(breaker.failure_threshold, breaker.recovery_timeout / 1000, breaker.half_open_max_calls)
    pace = Pace(limit.calls_per_second, limit.burst) if limit is not None else Pace()
    return TargetGate(name, Breaker(policy, channel.worker), pace, channel, metrics, share=share, changed=changed)


def engine_observer(metrics: Metrics) -> Observer:
    """What tells the metrics how the engine does."""

    def recovered(rows: int, remaining: int) -> None:
        metrics.recovered_rows.inc(rows)
        metrics.recovery_remaining.set(remaining)

    def committed(tp: TopicPartition, seconds: float) -> None:
        metrics.transactions.labels(tp.topic).inc()
        metrics.transaction_duration.labels(tp.topic).observe(seconds)

    def state(tp: TopicPartition, state: State | None) -> None:
        if state is None:
            with contextlib.suppress(KeyError):
                metrics.partition_state.remove(tp.topic, str(tp.partition))
        else:
            metrics.partition_state.labels(tp.topic, str(tp.partition)).set(state)

    return Observer(recovered, lambda tp, _error: metrics.partition_failures.labels(tp.topic).inc(), committed, state)
