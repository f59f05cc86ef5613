"""The stand-in billing system's answers."""

from http import HTTPStatus
from typing import Any

import pytest

from sitehub.dev.target_billing import Answer, Billing, Change

ANNA = {"customer_id": "site/a", "customer_name": "Anna"}


def call(billing: Billing, method: str, path: str, body: Any, key: str | None = None) -> Answer:
    return billing.call(Change(method, path, key, body))


@pytest.fixture
def billing() -> Billing:
    billing = Billing()
    assert call(billing, "POST", "/customers", ANNA, "e1:create").status == HTTPStatus.CREATED
    return billing


def test_the_same_key_and_content_gives_the_same_answer_once_more(billing: Billing) -> None:
    again = call(billing, "POST", "/customers", dict(reversed(ANNA.items())), "e1:create")
    assert again == Answer(201, {"customer_id": "site/a", "status": "created"}, repeated=True)


def test_the_same_key_with_other_content_is_refused(billing: Billing) -> None:
    assert call(billing, "POST", "/customers", ANNA | {"customer_name": "B"}, "e1:create").status == 422


def test_a_customer_with_other_content_is_a_conflict(billing: Billing) -> None:
    assert call(billing, "POST", "/customers", ANNA | {"customer_name": "B"}, "e2:create").status == 409


def test_a_customer_with_the_same_content_is_unchanged(billing: Billing) -> None:
    assert call(billing, "POST", "/customers", ANNA, "e2:create").body["status"] == "unchanged"


@pytest.mark.parametrize("path", ["/customers/nobody", "/customers/nobody/billing-config"])
def test_an_unknown_customer_is_not_found_and_the_refusal_is_not_remembered(billing: Billing, path: str) -> None:
    assert call(billing, "PUT", path, {"customer_name": "N"}, "k").status == 404
    call(billing, "POST", "/customers", {"customer_id": "nobody"})
    assert call(billing, "PUT", path, {"customer_name": "N"}, "k") == Answer(
        200,
        {"customer_id": "nobody", "status": "updated"},
    )


def test_documents_are_replaced_and_ids_are_percent_decoded(billing: Billing) -> None:
    call(billing, "PUT", "/customers/site%2Fa", {"customer_name": "Anne"})
    call(billing, "PUT", "/customers/site%2Fa/billing-config", {"contract_type": "lease"})
    assert billing.customers["site/a"] == {
        "customer": {"customer_id": "site/a", "customer_name": "Anne"},
        "billing_config": {"contract_type": "lease"},
    }


@pytest.mark.parametrize("path", ["/customers/batch-update", "/billing-configurations/batch-update"])
def test_batches_are_accepted(billing: Billing, path: str) -> None:
    records = [{"customer_id": "a", "customer_name": "Anne"}, {"customer_id": "b"}]
    assert call(billing, "POST", path, {"records": records}) == Answer(200, {"accepted": 2})


@pytest.mark.parametrize("bad", [1, {}, {"customer_id": ""}, {"customer_id": "b", "customer_name": ""}])
def test_one_bad_record_makes_a_batch_fail_as_a_whole(billing: Billing, bad: Any) -> None:
    answer = call(billing, "POST", "/customers/batch-update", {"records": [{"customer_id": "a"}, bad]})

    assert answer.status == 422
    assert answer.body["detail"].startswith("record 1:")


@pytest.mark.parametrize("body", [None, [], {}, {"customer_id": 7}])
def test_a_body_that_is_no_customer_is_a_bad_request(billing: Billing, body: Any) -> None:
    assert call(billing, "POST", "/customers", body).status == 400


def test_other_paths_do_not_exist(billing: Billing) -> None:
    assert call(billing, "POST", "/invoices", {}).status == 404
