"""What can go wrong with a partition, and what is done about it."""

from enum import Enum

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from sitehub.engine.unmarked import UndecidedRecordsError


class Remedy(Enum):
    """What follows a failure. State is safe with each: whoever goes on fences first and restores what was committed."""

    RECOVER = "recover"
    """Fence, restore and go on, after a growing pause: outages, time-outs, a commit whose outcome is unknown, a bug."""
    GIVE_UP = "give up"
    """Somebody else may own the partition: leave it until the group has said who does."""
    STOP = "stop"
    """Waiting won't help, somebody must act: the pause is long, and `/health` tells."""


FENCED = (ProducerFenced, InvalidProducerEpoch, InvalidProducerIdMapping, AssertionError)
"""Another producer has the id, or the transaction timed out at the broker. After the first such error aiokafka raises
AssertionError on whatever is asked of the producer."""
FORBIDDEN = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, TransactionalIdAuthorizationFailed)
"""Somebody must grant a right."""


def remedy(error: BaseException) -> Remedy:
    """The remedy for what a partition's loop raised."""
    if isinstance(error, BaseExceptionGroup):
        found = {remedy(one) for one in error.exceptions}
        return next(one for one in (Remedy.GIVE_UP, Remedy.STOP, Remedy.RECOVER) if one in found)
    if isinstance(error, FENCED):
        return Remedy.GIVE_UP
    return Remedy.STOP if isinstance(error, (*FORBIDDEN, UndecidedRecordsError)) else Remedy.RECOVER
