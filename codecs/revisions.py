"""The rules that decided a partition's events from some offset on: rows of the table beside the sites."""

from collections.abc import Mapping as Dictionary

import msgspec

from sitehub.rules.mapping import Mapping, MappingEntry
from sitehub.rules.sync import SyncRule, SyncRules
from sitehub.rules.transformations import Transformation

CURRENT_KEY = b"\x00rules"
"""Its value is the id of the configuration that decides now. No site's id begins with NUL."""
REVISION_PREFIX = b"\x00rules\x00"


class _Revision(msgspec.Struct):
    config_id: str
    rules: list[SyncRule]
    mappings: dict[str, list[MappingEntry]]


_decode = msgspec.json.Decoder(_Revision).decode


class UnknownRevisionError(Exception):
    """What is recorded can't be compiled any more: a transformation or a condition is no longer there."""


def revision_key(offset: int) -> bytes:
    """Key of the rules that decide from `offset` of the source on; later ones sort behind earlier ones."""
    return REVISION_PREFIX + offset.to_bytes(8, "big")


def revision_offset(key: bytes) -> int:
    """The offset that `revision_key` was given."""
    return int.from_bytes(key[len(REVISION_PREFIX) :], "big")


def encode_revision(rules: SyncRules) -> bytes:
    """Everything that is needed to decide again as `rules` do, but for the code of transformations and conditions."""
    mappings = {target: list(mapping.entries) for target, mapping in rules.mappings.items()}
    return msgspec.json.encode(_Revision(rules.config_id, list(rules.rules), mappings))


def decode_revision(row: bytes, transformations: Dictionary[str, Transformation]) -> SyncRules:
    """The rules that `encode_revision` wrote. Raises UnknownRevisionError."""
    revision = _decode(row)
    try:
        mappings = {target: Mapping(entries, transformations) for target, entries in revision.mappings.items()}
        return SyncRules(revision.rules, mappings, revision.config_id)
    except KeyError as name:
        raise UnknownRevisionError(f"configuration {revision.config_id} needs {name}, which is not there now") from None
