"""A payment intent, read strictly, with its charge and what that cost."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from service.domain.states.payment import PaymentState
from service.stripe.objects.payment_intent import parse_payment_intent
from service.stripe.objects.values import Unreadable
from tests.records import NOW
from tests.service.stripe.objects.nonsense import NO_AMOUNT, NO_TEXT
from tests.service.stripe.objects.test_balance_transaction import BALANCE, SHOWN

INTENT: dict[str, Any] = {
    "object": "payment_intent",
    "id": "pi_1",
    "status": "succeeded",
    "amount": 10_500,
    "amount_received": 10_500,
    "customer": "cus_1",
    "metadata": {},
    "currency": "kwd",
    "latest_charge": "ch_1",
    "last_payment_error": None,
}


def test_a_payment_intent() -> None:
    told = parse_payment_intent(INTENT, NOW)

    assert (told.state, told.seen_at) == (PaymentState.SUCCEEDED, NOW)
    assert (told.payment_intent, told.charge) == ("pi_1", "ch_1")
    assert (told.received_minor, told.currency) == (10_500, "KWD")
    assert (told.failure_code, told.failure_decline_code, told.failure_message) == (None,) * 3


def test_a_payment_intent_with_its_charge_and_what_that_cost() -> None:
    charge = {"object": "charge", "id": "ch_2", "balance_transaction": BALANCE}

    told = parse_payment_intent({**INTENT, "currency": "jpy", "latest_charge": charge}, None)

    assert told.charge == "ch_2"
    assert told.balance == SHOWN


def test_what_was_converted_has_a_rate() -> None:
    converted = {**BALANCE, "exchange_rate": 1.25}
    charge = {"object": "charge", "id": "ch_2", "balance_transaction": converted}

    told = parse_payment_intent({**INTENT, "latest_charge": charge}, None)

    assert told.balance is not None
    assert told.balance.exchange_rate == Decimal("1.25")
    charge["balance_transaction"] = BALANCE
    with pytest.raises(Unreadable, match="txn_1 turns KWD into JPY at no rate"):
        parse_payment_intent({**INTENT, "latest_charge": charge}, None)


def test_a_decline_is_told_with_its_reasons() -> None:
    error = {"code": "card_declined", "decline_code": "fraudulent", "message": "No."}
    declined = {**INTENT, "status": "requires_payment_method", "last_payment_error": error}

    told = parse_payment_intent(declined, None)

    assert told.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert (told.failure_code, told.failure_decline_code) == ("card_declined", "fraudulent")


UNREADABLE_INTENT = [
    *(("id", value) for value in (None, "", *NO_TEXT)),
    *(("status", value) for value in (None, "", "requires_review", *NO_TEXT)),
    *(("amount", value) for value in NO_AMOUNT),
    *(("amount_received", value) for value in NO_AMOUNT),
    *(("customer", value) for value in (7, ["cus_1"], {}, {"id": 7})),
    *(("currency", value) for value in (None, "", *NO_TEXT)),
    *(("latest_charge", value) for value in (7, ["ch_1"], {}, {"id": 7}, {"id": None})),
    *(("last_payment_error", value) for value in ("declined", ["declined"], 7)),
    *(("last_payment_error", {"code": value}) for value in NO_TEXT),
    *(("last_payment_error", {"message": value}) for value in NO_TEXT),
]


@pytest.mark.parametrize(("name", "value"), UNREADABLE_INTENT, ids=repr)
def test_an_unreadable_payment_intent(name: str, value: object) -> None:
    with pytest.raises(Unreadable):
        parse_payment_intent({**INTENT, name: value}, NOW)


@pytest.mark.parametrize(
    ("kind", "capture", "status", "known"),
    [
        ("card", "automatic", "succeeded", True),
        ("card", "automatic_async", "succeeded", True),
        ("card", "manual", "succeeded", False),
        ("us_bank_account", "automatic", "succeeded", False),
        ("card", "automatic", "processing", False),
    ],
)
def test_a_charge_tells_when_it_was_paid_where_it_was_made_by_paying(
    kind: str, capture: str, status: str, known: bool
) -> None:
    details = {"payment_method_details": {"type": kind}, "created": 1_700_000_000}
    charge = {"object": "charge", "id": "ch_2", **details}
    shown = {**INTENT, "status": status, "capture_method": capture, "latest_charge": charge}

    told = parse_payment_intent(shown, None)

    assert told.paid_at == (datetime.fromtimestamp(1_700_000_000, UTC) if known else None)
    assert parse_payment_intent(INTENT, NOW).paid_at is None
