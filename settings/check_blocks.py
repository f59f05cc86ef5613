"""What is wrong between the values of one block, or between blocks that name each other."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

from sitehub.settings.check_targets import taken
from sitehub.settings.look import Fault, Place
from sitehub.settings.mistakes import nearest

SITE_EVENTS = "customer-sites-events"
PAIRS = (
    ("database_config", "*", "connection_pool", "min_connections", "max_connections"),
    ("performance_monitoring", "metrics", "*", "threshold_warning", "threshold_critical"),
)
"""Paths to blocks, then the names of two numbers, the first of which may not be above the second."""
NAMED_LISTS = (
    ("health_checks", "name"),
    ("alert_rules", "name"),
    ("api_keys", "key_id"),
)
"""Lists whose entries have a name that must be unique."""


def channel_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Alerts over channels that have no block; a block that is null is off, and may be named."""
    channels = {str(place.path[-1]) for place in Place((), document) / "notification_channels"}
    for rule in Place((), document) / "alert_rules":
        for name in rule / "notification_channels":
            yield from name.unknown(channels, "notification channel")


def kafka_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """No topic of site events; a login without a name or secret; a key without a certificate."""
    kafka = Place((), document) / "kafka_config"
    topics = kafka / "topics"
    names = {str(place.path[-1]) for place in topics}
    if isinstance(topics.value, dict) and SITE_EVENTS not in names:
        found = f"only {', '.join(sorted(names))}" if names else "none"
        yield topics.fault(found, f"a topic {SITE_EVENTS}", nearest(SITE_EVENTS, names))
    if ((kafka / "security_protocol").text() or "").startswith("SASL_"):
        for key in ("sasl_username", "sasl_password"):
            if (kafka / key).value is None:
                yield (kafka / key).fault("nothing", "a text: the security protocol logs in with it")
    if (kafka / "ssl_keyfile").value is not None and (kafka / "ssl_certfile").value is None:
        yield (kafka / "ssl_certfile").fault("nothing", "the certificate of ssl_keyfile")


def registry_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """A schema registry that is no place, or two."""
    registry = Place((), document) / "schema_registry"
    given = [key for key in ("url", "folder") if (registry / key).value is not None]
    if isinstance(registry.value, dict) and len(given) != 1:
        yield registry.fault(" and ".join(given) or "neither url nor folder", "either url or folder")


def schema_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Event schemas that are no JSON Schemas."""
    for block in Place((), document) / "event_schemas":
        schema = block / "schema"
        if not isinstance(schema.value, dict):
            continue
        try:
            jsonschema_rs.meta.validate(schema.value)
            jsonschema_rs.validator_for(schema.value, validate_formats=True)
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
            path = (*schema.path, *getattr(error, "instance_path", ()))
            yield Fault(path, getattr(error, "message", str(error)), "a JSON Schema")


def order_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """A lower limit above the upper one."""
    for *path, lower, upper in PAIRS:
        for block in _at(Place((), document), path):
            low, high = (block / lower).number(), (block / upper).number()
            if low is not None and high is not None and low > high:
                yield (block / lower).fault(f"{low:g}, which is above {upper}", f"at most {high:g}")


def name_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """A name twice in a list."""
    for block, key in NAMED_LISTS:
        names = set[str]()
        for entry in Place((), document) / block:
            yield from taken(entry / key, names)


def _at(place: Place, path: list[str]) -> Iterator[Place]:
    if not path:
        yield place
        return
    for inner in place if path[0] == "*" else (place / path[0],):
        yield from _at(inner, path[1:])
