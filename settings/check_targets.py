"""What is wrong with targets although each of their values is well formed."""

from collections.abc import Iterator
from typing import Any

from sitehub.rules.source_query import parse_query
from sitehub.settings.blocks import GATHERED, TARGET_NAME, targets
from sitehub.settings.check_rules import target_fault
from sitehub.settings.integration import DEFAULT_TARGET
from sitehub.settings.look import Fault, Place
from sitehub.settings.secrets import SECRET_KEYS, variable
from sitehub.settings.target_authentication import NEEDED_KEYS

AT_ODDS = (
    ("retry_on", "reject_on"),
    ("retry_on", "success_on"),
    ("reject_on", "success_on"),
    ("success_on", "renew_on"),
)
"""Lists of which a status can be in one. To renew and then to retry or to reject is no contradiction."""
OWN_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "idempotency-key",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-correlation-id",
        "x-sitehub-config",
        "x-sitehub-signature",
    }
)
"""They frame a call, say which one it is, or sign it."""


def name_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Names of targets that could not be part of a topic's name."""
    for block in Place((), document):
        for suffix in GATHERED.values():
            key = str(block.path[-1])
            if key.endswith(suffix) and TARGET_NAME.fullmatch(key.removesuffix(suffix)) is None:
                found = f"the target name {key.removesuffix(suffix)!r}"
                yield block.fault(found, "up to 64 lower-case letters, digits, hyphens and underscores")


def authentication_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Keys that a type of authentication needs and that are not there."""
    for target in targets(document):
        authentication = Place((), document) / f"{target}_integration" / "authentication"
        for key in NEEDED_KEYS.get((authentication / "type").text() or "none", ()):
            place = authentication / key
            if place.value is None:
                secret = f", or [encrypted_{key}] for ${variable(place.path)}" if key in SECRET_KEYS else ""
                yield place.fault("nothing", f"a text{secret}: type {(authentication / 'type').text()} needs it")


def status_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """A status that is to mean two things."""
    for target in targets(document):
        block = Place((), document) / f"{target}_integration"
        for one, other in AT_ODDS:
            statuses = [place.value for place in block / one]
            for place in block / other:
                if place.value in statuses:
                    yield place.fault(f"{place.value}, which {one} has too", "each status in one list")


def header_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Headers that would break or forge calls, or stand in them twice."""
    for target in targets(document):
        block = Place((), document) / f"{target}_integration"
        seen: dict[str, str] = {}
        for header in block / "headers":
            name = str(header.path[-1])
            if name.lower() in OWN_HEADERS:
                yield header.fault(f"the header {name!r}", "headers that the hub does not set itself: leave it out")
            elif (other := seen.setdefault(name.lower(), name)) != name:
                yield header.fault(
                    f"the header {name!r} beside {other!r}", "each header once: their case is not told apart"
                )
        place = block / "authentication" / "header_name"
        if (place.text() or "").lower() in OWN_HEADERS:
            yield place.fault(
                f"the header {place.text()!r}", "a header that the hub does not set itself, like X-API-Key"
            )


def batch_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Operations of the batch whose target is not there, whose name is taken, or whose query has no watermark."""
    names = set[str]()
    for operation in Place((), document) / "batch_sync_config" / "sync_operations":
        if (target := (operation / "target").text(DEFAULT_TARGET)) is not None:
            yield from target_fault(operation / "target", target, targets(document))
        yield from taken(operation / "operation", names)
        query = (operation / "source_query").text()
        if query is not None and isinstance(mistake := parse_query(query), str):
            yield (operation / "source_query").fault(mistake, "SQL like SELECT * FROM t WHERE updated_at >= ?")


def taken(place: Place, names: set[str]) -> Iterator[Fault]:
    """A mistake if the name that stands here has been used before."""
    name = place.text()
    if name in names:
        yield place.fault(f"{name!r} again", "each name once")
    elif name is not None:
        names.add(name)
