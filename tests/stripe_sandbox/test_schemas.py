"""The schemas derived from the `stripe` package accept what Stripe sends and refuse the rest."""

from typing import Any

import pytest

from stripe_sandbox.errors import InvalidRequestError
from stripe_sandbox.schemas import (
    event_types,
    find_operation,
    object_names,
    object_schema,
    operations,
    request_schema,
    response_schema,
)
from stripe_sandbox.schemas.parameters import check_parameters
from tests.stripe_sandbox.schema_check import (
    problems_in_event,
    problems_in_exchange,
    problems_in_object,
)

TRANSFER: dict[str, Any] = {
    "id": "tr_1",
    "object": "transfer",
    "amount": 8000,
    "amount_reversed": 0,
    "balance_transaction": "txn_1",
    "created": 1_800_000_000,
    "currency": "usd",
    "description": None,
    "destination": "acct_1",
    "destination_payment": "py_1",
    "livemode": False,
    "metadata": {"object": "transfer"},  # a caller's key, not the name of a resource
    "reversals": {
        "object": "list",
        "data": [],
        "has_more": False,
        "url": "/v1/transfers/tr_1/reversals",
    },
    "reversed": False,
    "source_transaction": None,
    "source_type": "card",
    "transfer_group": None,
}
REVERSAL: dict[str, Any] = {
    "id": "trr_1",
    "object": "transfer_reversal",
    "amount": 100,
    "balance_transaction": "txn_2",
    "created": 1_800_000_000,
    "currency": "usd",
    "destination_payment_refund": "pyr_1",
    "metadata": {},
    "source_refund": None,
    "transfer": "tr_1",
}
PAYOUT: dict[str, Any] = {
    "id": "po_1",
    "object": "payout",
    "amount": 8000,
    "arrival_date": 1_800_000_000,
    "automatic": False,
    "balance_transaction": "txn_1",
    "created": 1_800_000_000,
    "currency": "usd",
    "livemode": False,
    "method": "standard",
    "reconciliation_status": "not_applicable",
    "source_type": "card",
    "status": "pending",
    "type": "bank_account",
}
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "account": "acct_1",
    "api_version": "2026-10-28.endive",
    "created": 1_800_000_000,
    "data": {"object": PAYOUT, "previous_attributes": {"status": "in_transit"}},
    "livemode": False,
    "pending_webhooks": 1,
    "request": {"id": None, "idempotency_key": None},
    "type": "payout.paid",
}


def test_every_operation_and_every_object_of_the_package_has_schemas() -> None:
    assert len(operations()) > 600
    for operation in operations().values():
        assert request_schema(operation)["additionalProperties"] is False
        assert response_schema(operation)
    for name in object_names():
        assert object_schema(name)
    assert {"transfer", "account", "v2.core.account", "checkout.session"} <= object_names()
    assert {"payout.paid", "transfer.reversed"} <= event_types()
    assert "transfer.paid" not in event_types()


@pytest.mark.parametrize(
    ("method", "path", "template"),
    [
        ("GET", "/v1/transfers/tr_1", "/v1/transfers/{transfer}"),
        ("POST", "/v1/transfers/tr_1/reversals", "/v1/transfers/{id}/reversals"),
        ("GET", "/v1/customers/search", "/v1/customers/search"),
        ("post", "/v2/core/accounts/acct_1", "/v2/core/accounts/{id}"),
        ("POST", "/v1/transfers/{transfer}", "/v1/transfers/{transfer}"),
    ],
)
def test_find_operation(method: str, path: str, template: str) -> None:
    operation = find_operation(method, path)
    assert operation is not None
    assert (operation.method, operation.path) == (method.upper(), template)


@pytest.mark.parametrize("path", ["/v1/unicorns", "/v1/transfers/tr_1/reversals/trr_1/x", "/", ""])
def test_find_operation_knows_no_other(path: str) -> None:
    assert find_operation("GET", path) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("transfer", TRANSFER),
        ("transfer", {**TRANSFER, "balance_transaction": None, "destination_payment": None}),
        ("transfer_reversal", REVERSAL),
        ("transfer_reversal", {**REVERSAL, "transfer": TRANSFER}),  # expanded
        ("payout", PAYOUT),
        ("event", EVENT),
        ("customer", {"id": "cus_1", "object": "customer", "deleted": True}),
        (
            "bank_account",
            {"id": "ba_1", "object": "bank_account", "deleted": True, "currency": "usd"},
        ),
        ("v2.core.account", {
            "id": "acct_1",
            "object": "v2.core.account",
            "applied_configurations": ["recipient"],
            "created": "2026-11-20T12:00:00.000Z",
            "livemode": False,
        }),
    ],
)  # fmt: skip
def test_known_good_objects(name: str, value: dict[str, Any]) -> None:
    assert problems_in_object(value, name) == []


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("transfer", {**TRANSFER, "status": "paid"}, "'status' was unexpected"),
        ("transfer", {**TRANSFER, "amount": "8000"}, "amount"),
        ("transfer", {**TRANSFER, "amount": None}, "amount"),
        ("transfer", {**TRANSFER, "amount": 80.5}, "amount"),
        ("transfer", {k: v for k, v in TRANSFER.items() if k != "currency"}, "currency"),
        ("transfer", {**TRANSFER, "metadata": {"a": 1}}, "metadata.a"),
        ("transfer", {**TRANSFER, "destination": {"object": "customer"}}, "destination"),
        ("transfer_reversal", {**REVERSAL, "transfer": {**TRANSFER, "amount": None}}, "amount"),
        (
            "transfer",
            {**TRANSFER, "reversals": {**TRANSFER["reversals"], "data": [TRANSFER]}},
            "reversals.data.0",
        ),
        ("payout", {**PAYOUT, "reconciliation_status": "maybe"}, "reconciliation_status"),
        ("payout", {**PAYOUT, "object": "charge"}, "object"),
        ("customer", {"id": "cus_1", "object": "customer", "deleted": True, "name": "x"}, "name"),
        ("v2.core.account", {"id": "acct_1", "object": "v2.core.account"}, "created"),
    ],
)
def test_known_bad_objects(name: str, value: dict[str, Any], complaint: str) -> None:
    assert any(complaint in problem for problem in problems_in_object(value, name))


def test_an_event_is_checked_with_the_object_in_it() -> None:
    assert problems_in_event(EVENT) == []
    assert problems_in_event({**EVENT, "type": "transfer.paid"})
    assert problems_in_event({**EVENT, "data": {"object": {**PAYOUT, "amount": None}}})
    assert problems_in_event({**EVENT, "data": {"object": {"id": "x", "object": "unicorn"}}})
    assert problems_in_event({**EVENT, "sequence": 1})


TRANSFER_PARAMS: dict[str, Any] = {"amount": "8000", "currency": "usd", "destination": "acct_1"}
ERROR_BODY = {"error": {"type": "invalid_request_error", "message": "No."}}


def test_an_exchange_is_checked_on_both_sides() -> None:
    path = "/v1/transfers"
    assert problems_in_exchange("POST", path, TRANSFER_PARAMS, 200, TRANSFER) == []
    assert problems_in_exchange("POST", path, {"amount": "x"}, 400, ERROR_BODY) == []
    assert problems_in_exchange("POST", path, {"amount": "x"}, 200, TRANSFER)
    assert problems_in_exchange("POST", path, TRANSFER_PARAMS, 200, PAYOUT)
    assert problems_in_exchange("POST", path, TRANSFER_PARAMS, 400, {"error": "No."})
    assert problems_in_exchange("POST", "/v1/unicorns", {}, 200, {})


def test_a_list_is_checked_with_its_items() -> None:
    page = {"object": "list", "data": [TRANSFER], "has_more": False, "url": "/v1/transfers"}
    assert problems_in_exchange("GET", "/v1/transfers", {"limit": "3"}, 200, page) == []
    wrong_items = {**page, "data": [PAYOUT]}
    assert problems_in_exchange("GET", "/v1/transfers", {}, 200, wrong_items)
    without_url = {key: value for key, value in page.items() if key != "url"}
    assert problems_in_exchange("GET", "/v1/transfers", {}, 200, without_url)


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("POST", "/v1/transfers", {**TRANSFER_PARAMS, "metadata": {"a": "1", "b": ""}}),
        ("POST", "/v1/transfers", {**TRANSFER_PARAMS, "expand": ["destination"]}),
        ("POST", "/v1/customers/cus_1", {"metadata": "", "description": "x"}),
        ("GET", "/v1/transfers", {"created": {"gte": "1800000000"}, "limit": "10"}),
        ("GET", "/v1/transfers", {"created": "1800000000"}),
        ("POST", "/v1/accounts", {
            "controller": {"losses": {"payments": "application"}},
            "capabilities": {"transfers": {"requested": "true"}},
            "external_account": {
                "object": "bank_account",
                "country": "US",
                "currency": "usd",
                "account_number": "000123456789",
            },
        }),
        ("POST", "/v1/accounts", {"external_account": "btok_us"}),
        ("POST", "/v2/core/accounts", {"contact_email": "a@example.com", "metadata": {"a": "b"}}),
        ("POST", "/v1/payment_pages/ppage_1/confirm", {"anything": "goes"}),  # Stripe's own tools
    ],
)  # fmt: skip
def test_check_parameters_accepts(method: str, path: str, params: dict[str, Any]) -> None:
    check_parameters(method, path, params)


@pytest.mark.parametrize(
    ("path", "params", "param", "code"),
    [
        ("/v1/transfers", {**TRANSFER_PARAMS, "fee": "1"}, "fee", "parameter_unknown"),
        ("/v1/transfers", {"currency": "usd"}, "destination", "parameter_missing"),
        ("/v1/transfers", TRANSFER_PARAMS | {"amount": "80.5"}, "amount",
         "parameter_invalid_integer"),
        ("/v1/transfers", TRANSFER_PARAMS | {"amount": ""}, "amount", "parameter_invalid_empty"),
        ("/v1/transfers", TRANSFER_PARAMS | {"source_type": "gold"}, "source_type", None),
        ("/v1/transfers", TRANSFER_PARAMS | {"expand": "destination"}, "expand", None),
        ("/v1/transfers", TRANSFER_PARAMS | {"metadata": {"a": {"b": "c"}}}, "metadata[a]", None),
        ("/v1/transfers", TRANSFER_PARAMS | {"stripe_account": "acct_1"}, "stripe_account",
         "parameter_unknown"),
        ("/v1/accounts", {"capabilities": {"transfers": {"requested": "yes"}}},
         "capabilities[transfers][requested]", None),
        ("/v1/accounts", {"controller": {"losses": {"payment": "application"}}},
         "controller[losses][payment]", "parameter_unknown"),
        ("/v1/accounts", {"controller": "platform"}, "controller", None),
        ("/v2/core/accounts", {"display_name": 7}, "display_name", None),
        ("/v2/core/accounts", {"dashboard": "huge"}, "dashboard", None),
        ("/v2/core/accounts", {"email": "a@example.com"}, "email", "parameter_unknown"),
    ],
)  # fmt: skip
def test_check_parameters_refuses(
    path: str, params: dict[str, Any], param: str, code: str | None
) -> None:
    with pytest.raises(InvalidRequestError) as refusal:
        check_parameters("POST", path, params)
    assert (refusal.value.param, refusal.value.code) == (param, code)
    # The schema validator, which the sandbox does not use, comes to the same verdict.
    assert problems_in_exchange("POST", path, params, 200, TRANSFER)[0].startswith(
        f"POST {path} was accepted with"
    )


def test_refusals_read_as_stripe_writes_them() -> None:
    with pytest.raises(InvalidRequestError, match="must be one of bank_account, card, or fpx"):
        check_parameters("POST", "/v1/transfers", {**TRANSFER_PARAMS, "source_type": "gold"})
    with pytest.raises(InvalidRequestError, match="Invalid integer: 1e3"):
        check_parameters("POST", "/v1/transfers", {**TRANSFER_PARAMS, "amount": "1e3"})
