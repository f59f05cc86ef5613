"""The stand-in billing system, without the network: customers, their documents, and idempotency keys."""

from collections import OrderedDict
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec
import orjson

REMEMBERED_KEYS = 500_000
BATCHES = ("customers", "billing-configurations")


class Answer(NamedTuple):
    """A status and a JSON body; `repeated` when it is the remembered answer to an earlier call with the same key."""

    status: int
    body: dict[str, Any]
    repeated: bool = False


class Change(msgspec.Struct, array_like=True):
    """A call that took effect: enough to make it again after a restart."""

    method: str
    path: str
    key: str | None
    body: Any


@dataclass(slots=True)
class Billing:
    """Customers by id as `{"customer": …, "billing_config": …}`, and the answers to the last 500,000 keys."""

    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: OrderedDict[str, tuple[bytes, Answer]] = field(default_factory=OrderedDict)

    def call(self, change: Change) -> Answer:
        """Apply a call and return the answer.

        The same key with the same content gives the first answer again; with other content 422. Calls that were
        refused are not remembered, as nothing came of them.
        """
        fingerprint = orjson.dumps([change.method, change.path, change.body], option=orjson.OPT_SORT_KEYS)
        if change.key is not None and (known := self.answers.get(change.key)):
            if known[0] != fingerprint:
                return _refusal(
                    HTTPStatus.UNPROCESSABLE_ENTITY, f"Idempotency-Key {change.key} came with other content before"
                )
            return known[1]._replace(repeated=True)
        answer = self._apply(change)
        if change.key is not None and answer.status < HTTPStatus.BAD_REQUEST:
            self.answers[change.key] = (fingerprint, answer)
            if len(self.answers) > REMEMBERED_KEYS:
                self.answers.popitem(last=False)
        return answer

    def _apply(self, change: Change) -> Answer:
        match change.method, [unquote(part) for part in change.path.strip("/").split("/")], change.body:
            case "POST", ["customers"], {"customer_id": str(customer_id)}:
                return self._create(customer_id, change.body)
            case "PUT", ["customers", customer_id], dict():
                return self._put(customer_id, "customer", {**change.body, "customer_id": customer_id})
            case "PUT", ["customers", customer_id, "billing-config"], dict():
                return self._put(customer_id, "billing_config", change.body)
            case "POST", [part, "batch-update"], {"records": list(records)} if part in BATCHES:
                return _batch(records)
            case "POST" | "PUT", ["customers", *_], _:
                return _refusal(
                    HTTPStatus.BAD_REQUEST,
                    "the body must be a JSON object, and that of a new customer needs customer_id",
                )
            case _:
                return _refusal(HTTPStatus.NOT_FOUND, f"no endpoint {change.method} {change.path}")

    def _create(self, customer_id: str, document: dict[str, Any]) -> Answer:
        known = self.customers.get(customer_id)
        if known is None:
            self.customers[customer_id] = {"customer": document, "billing_config": None}
            return Answer(HTTPStatus.CREATED, {"customer_id": customer_id, "status": "created"})
        if known["customer"] == document:
            return Answer(HTTPStatus.OK, {"customer_id": customer_id, "status": "unchanged"})
        return _refusal(HTTPStatus.CONFLICT, f"customer {customer_id} exists with other content")

    def _put(self, customer_id: str, part: str, document: dict[str, Any]) -> Answer:
        known = self.customers.get(customer_id)
        if known is None:
            return _refusal(HTTPStatus.NOT_FOUND, f"no customer {customer_id}")
        if part == "customer":
            document = {**known["customer"], **document}
        known[part] = document
        return Answer(HTTPStatus.OK, {"customer_id": customer_id, "status": "updated"})


def _batch(records: list[Any]) -> Answer:
    """All or nothing, as real batch endpoints are."""
    for number, record in enumerate(records):
        if not (isinstance(record, dict) and record.get("customer_id") and record.get("customer_name") != ""):
            detail = f"record {number}: customer_id and customer_name may not be empty"
            return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return Answer(HTTPStatus.OK, {"accepted": len(records)})


def _refusal(status: HTTPStatus, detail: str) -> Answer:
    return Answer(status, {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail})
