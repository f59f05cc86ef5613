"""Why a record could not be applied or delivered."""

import msgspec


class Failure(msgspec.Struct, frozen=True):
    """A dead letter's cause.

    `stage` is decode, validate, rule or delivery; `reason` a stable code; `error` a text for people.
    """

    stage: str
    reason: str
    error: str
