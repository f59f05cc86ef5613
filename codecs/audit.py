"""Records of the audit log as JSON."""

import hashlib

import msgspec

from sitehub.rules.audit import AuditRecord, Values

LARGEST_BYTES = 512 << 10
"""Of a record that is kept whole."""
LONGEST_TEXT = 500
"""Characters of an id in a record that is shortened, and of any that is looked up: an index takes no more."""
KEPT_CHARACTERS = 400


class EncodedAudit(msgspec.Struct, frozen=True):
    """An audit record whose documents are JSON still."""

    actor: str
    at: str
    action: str
    entity_type: str
    entity_id: str
    site_id: str | None
    before: msgspec.Raw
    after: msgspec.Raw
    correlation_id: str
    source: str
    config_id: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AuditRecord).decode
_read = msgspec.json.Decoder(EncodedAudit).decode


def encode_audit(record: AuditRecord) -> bytes:
    """JSON. Of a record above the limit `before` and `after` are told by size and SHA-256 only."""
    value = _encode(record)
    return value if len(value) <= LARGEST_BYTES else _encode(_shortened(record))


def decode_audit(value: bytes) -> AuditRecord:
    """The record that `encode_audit` wrote."""
    return _decode(value)


def read_audit(value: bytes) -> EncodedAudit:
    """The record with its documents as they were written; raises msgspec.MsgspecError."""
    return _read(value)


def short_text(text: str) -> str:
    """The text, or of a long one its beginning and the SHA-256 of all of it."""
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:KEPT_CHARACTERS]}… sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _shortened(record: AuditRecord) -> AuditRecord:
    texts = {
        name: short_text(text) for name in record.__struct_fields__ if isinstance(text := getattr(record, name), str)
    }
    values = {"before": _digest(record.before), "after": _digest(record.after)}
    return msgspec.structs.replace(record, **texts, **values)


def _digest(values: Values) -> Values:
    content = _encode(values)
    kept = {name: value for name, value in values.items() if name in {"version", "deleted_at"}}
    return {**kept, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
