"""Mistakes that lie between blocks: names that nothing has, targets that are not there, values that can't work."""

from collections.abc import Iterable, Iterator

from sitehub.rules.conditions import CONDITIONS
from sitehub.rules.templates import placeholders
from sitehub.rules.transformations import TRANSFORMATIONS
from sitehub.settings.mistakes import Mistake, nearest
from sitehub.settings.root import MAPPING_SUFFIX, SUFFIX, Configuration

Found = tuple[str, str, str, str | None]
"""Path, what was found, what is allowed, suggestion."""

SHIPPED_TRIGGERS = frozenset({"site_created", "site_updated", "contract_updated", "site_deleted"})
SITE_FIELDS = frozenset({"site_id", "site_name", "contract_info"})
CONTRACT_FIELDS = frozenset(
    {"contract_type", "billing_cycle", "start_date", "end_date", "currency", "rate", "rates", "terms"}
)
ATTRIBUTES = frozenset(
    {"name", "address", "territory_id", "location_coordinates", "status", "facility_type", "market_segment"}
)


def check(configuration: Configuration, file_of: "FileOf") -> list[Mistake]:
    """Everything that is wrong although each block is well formed."""
    found = [
        *_rules(configuration),
        *_mappings(configuration),
        *_channels(configuration),
        *_topics(configuration),
        *_batch(configuration),
    ]
    return [Mistake(file_of(path), path, what, allowed, hint) for path, what, allowed, hint in found]


class FileOf:
    """The file that gave the value at a dotted path, or the nearest one above it."""

    def __init__(self, origins: dict[tuple[str | int, ...], str]) -> None:
        self._origins = {".".join(map(str, path)): name for path, name in origins.items()}

    def __call__(self, path: str) -> str:
        """Name of the file."""
        while path and path not in self._origins:
            path = path.rpartition(".")[0]
        return self._origins.get(path, "configuration")


def _unknown(path: str, name: str, known: Iterable[str]) -> Found:
    known = sorted(known)
    return path, repr(name), f"one of {', '.join(known)}", nearest(name, known)


def _rules(configuration: Configuration) -> Iterator[Found]:
    triggers = SHIPPED_TRIGGERS | configuration.event_schemas.keys()
    for number, rule in enumerate(configuration.realtime_sync_rules):
        path = f"realtime_sync_rules.{number}"
        if rule.trigger not in triggers:
            yield _unknown(f"{path}.trigger", rule.trigger, triggers)
        if rule.condition is not None and rule.condition not in CONDITIONS:
            yield _unknown(f"{path}.condition", rule.condition, CONDITIONS)
        if rule.target not in configuration.integrations:
            known = [f"{name}{SUFFIX}" for name in configuration.integrations]
            what = f"target {rule.target!r}, and no block {rule.target}{SUFFIX}"
            yield f"{path}.target", what, f"a target with a block: {', '.join(known)}", nearest(rule.target, known)
        known_names = known_placeholders(configuration, rule.target)
        for key, template in (("endpoint", rule.endpoint), ("data_template", rule.data_template)):
            for name in placeholders(template):
                if name not in known_names:
                    yield _unknown(f"{path}.{key}", f"{{{{{name}}}}}", known_names)


def known_placeholders(configuration: Configuration, target: str) -> set[str]:
    """Names that a template for `target` may use: of the site, of its contract, mapped, or of a configured schema."""
    names = {*SITE_FIELDS, *CONTRACT_FIELDS, *ATTRIBUTES}
    for entry in configuration.data_mappings.get(target, {}).values():
        names |= {entry.source_field, entry.target_field}
    for schema in configuration.event_schemas.values():
        for block in ("site_data", "contract_info", "new_values"):
            names |= schema.schema_.get("properties", {}).get(block, {}).get("properties", {}).keys()
    pipelines = configuration.forecasting_data_pipeline
    if pipelines is not None:
        for pipeline in (
            pipelines.site_characteristics,
            pipelines.historical_performance,
            pipelines.operational_metrics,
        ):
            names |= set(pipeline.source_fields)
    return names


def _mappings(configuration: Configuration) -> Iterator[Found]:
    for target, entries in configuration.data_mappings.items():
        for name, entry in entries.items():
            if entry.transformation not in TRANSFORMATIONS:
                path = f"{target}{MAPPING_SUFFIX}.{name}.transformation"
                yield _unknown(path, entry.transformation, TRANSFORMATIONS)


def _channels(configuration: Configuration) -> Iterator[Found]:
    channels = configuration.notification_channels
    known = [name for name in ("email", "slack", "pagerduty") if getattr(channels, name) is not None]
    for number, rule in enumerate(configuration.alert_rules):
        for place, name in enumerate(rule.notification_channels):
            if name not in known:
                yield _unknown(f"alert_rules.{number}.notification_channels.{place}", name, known)


def _topics(configuration: Configuration) -> Iterator[Found]:
    topics = configuration.kafka_config.topics
    if "customer-sites-events" not in topics:
        hint = nearest("customer-sites-events", topics)
        yield "kafka_config.topics", f"only {sorted(topics)}", "a topic customer-sites-events", hint


def _batch(configuration: Configuration) -> Iterator[Found]:
    batch = configuration.batch_sync_config
    for number, operation in enumerate(batch.sync_operations if batch else ()):
        if operation.target not in configuration.integrations:
            path = f"batch_sync_config.sync_operations.{number}.target"
            yield _unknown(path, operation.target, configuration.integrations)
