"""What becomes of nulls in the documents of a target's calls."""

from typing import Literal

import msgspec
import orjson

from sitehub.rules.commands import Command
from sitehub.rules.failure import Failure
from sitehub.rules.nulls import null_places, without_nulls

OnNull = Literal["omit", "send", "dead_letter"]
NULL = b"null"
NAMED = 5
"""Places that an error text names."""


def fit(call: Command, on_null: OnNull) -> Command | Failure:
    """The call as it is to be made, or why it is not. A call without a document stays one."""
    document = orjson.dumps(call.body)
    if on_null == "send" or NULL not in document or document == NULL:
        return call
    value = orjson.loads(document)
    if on_null == "omit":
        return msgspec.structs.replace(call, body=orjson.Fragment(orjson.dumps(without_nulls(value))))
    if not (places := list(null_places(value))):
        return call
    more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
    error = f"the document has null at {', '.join(places[:NAMED])}{more}, which the target's on_null refuses"
    return Failure("delivery", "null_in_document", error)
