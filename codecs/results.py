"""What came of the attempts at a command, as JSON with what a reader counts by in the headers."""

import msgspec


class Result(msgspec.Struct, frozen=True):
    """One attempt. `status` is delivered, superseded, rejected, parked, or failed for one that will be made again.

    A change of a target's breaker is a result too, with a status of its own (breaker_open, breaker_half_open,
    breaker_closed), the reason in `error`, and no command: readers pass over statuses that they do not know.
    """

    command_id: str
    event_id: str
    action: str
    target: str
    site_id: str
    status: str
    attempt: int
    http_status: int | None
    error: str | None
    answer: str | None
    at: str
    event_timestamp: str
    duration_ms: float
    superseded_by: str | None = None
    """Id of the command that carries a superseded one's content."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Result)


def encode_result(result: Result) -> bytes:
    """JSON."""
    return _encoder.encode(result)


def decode_result(value: bytes) -> Result:
    """The result that `encode_result` wrote."""
    return _decoder.decode(value)


def result_headers(result: Result) -> list[tuple[str, bytes]]:
    """Ids, action, target, status, attempt and HTTP status (empty if no answer came) as text."""
    return [
        ("command_id", result.command_id.encode()),
        ("event_id", result.event_id.encode()),
        ("action", result.action.encode()),
        ("target", result.target.encode()),
        ("status", result.status.encode()),
        ("attempt", str(result.attempt).encode()),
        ("http_status", str(result.http_status or "").encode()),
    ]
