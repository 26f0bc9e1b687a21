"""Stripe's objects, read strictly: what is not as documented is Unreadable, and never guessed."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain import ids
from service.domain.states.payee import PayeeState
from service.domain.states.payment import PaymentState
from service.domain.states.payout import PayoutState
from service.stripe.objects.account import parse_account_v1, parse_account_v2
from service.stripe.objects.balance_transaction import BalanceTransaction, parse_balance_transaction
from service.stripe.objects.payment_intent import parse_payment_intent
from service.stripe.objects.payout import parse_payout
from service.stripe.objects.values import Unreadable, moment_of, our_id
from tests.records import NOW, new_id

INTENT: dict[str, Any] = {
    "object": "payment_intent",
    "id": "pi_1",
    "status": "succeeded",
    "amount_received": 10_500,
    "currency": "kwd",
    "latest_charge": "ch_1",
    "last_payment_error": None,
}
BALANCE: dict[str, Any] = {
    "object": "balance_transaction",
    "id": "txn_1",
    "net": 10_165,
    "fee": 335,
    "currency": "jpy",
    "created": 1_790_000_000,
}
PAYOUT: dict[str, Any] = {
    "object": "payout",
    "id": "po_1",
    "status": "in_transit",
    "amount": 8_000,
    "currency": "usd",
    "arrival_date": 1_790_000_000,
    "failure_code": None,
    "failure_message": None,
}
NO_TEXT: tuple[Any, ...] = (7, True, ["x"], {"x": 1}, "nul \0", "half \ud800")
NO_AMOUNT: tuple[Any, ...] = (None, "10500", 10_500.0, True, [10_500])
NO_TIME: tuple[Any, ...] = (None, 1.5, True, [], 10**40, -(10**40))


def test_a_payment_intent() -> None:
    told = parse_payment_intent(INTENT, NOW)

    assert (told.state, told.seen_at) == (PaymentState.SUCCEEDED, NOW)
    assert (told.payment_intent, told.charge) == ("pi_1", "ch_1")
    assert (told.received_minor, told.currency) == (10_500, "KWD")
    assert (told.failure_code, told.failure_decline_code, told.failure_message) == (None,) * 3


def test_a_payment_intent_with_its_charge_and_what_that_cost() -> None:
    charge = {"object": "charge", "id": "ch_2", "balance_transaction": BALANCE}

    told = parse_payment_intent({**INTENT, "latest_charge": charge}, None)

    assert told.charge == "ch_2"
    assert told.balance == BalanceTransaction(
        "txn_1", 10_165, 335, "JPY", datetime.fromtimestamp(1_790_000_000, UTC)
    )


def test_a_decline_is_told_with_its_reasons() -> None:
    error = {"code": "card_declined", "decline_code": "fraudulent", "message": "No."}
    declined = {**INTENT, "status": "requires_payment_method", "last_payment_error": error}

    told = parse_payment_intent(declined, None)

    assert told.state is PaymentState.REQUIRES_PAYMENT_METHOD
    assert (told.failure_code, told.failure_decline_code) == ("card_declined", "fraudulent")


UNREADABLE_INTENT = [
    *(("id", value) for value in (None, "", *NO_TEXT)),
    *(("status", value) for value in (None, "", "requires_review", *NO_TEXT)),
    *(("amount_received", value) for value in NO_AMOUNT),
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


UNREADABLE_BALANCE = [
    *(("id", value) for value in (None, "", *NO_TEXT)),
    *(("net", value) for value in NO_AMOUNT),
    *(("fee", value) for value in NO_AMOUNT),
    *(("currency", value) for value in (None, "", *NO_TEXT)),
    *(("created", value) for value in NO_TIME),
]


@pytest.mark.parametrize(("name", "value"), UNREADABLE_BALANCE, ids=repr)
def test_an_unreadable_balance_transaction(name: str, value: object) -> None:
    with pytest.raises(Unreadable):
        parse_balance_transaction({**BALANCE, name: value})


def test_a_payout() -> None:
    told = parse_payout(PAYOUT)

    assert (told.id, told.state) == ("po_1", PayoutState.IN_TRANSIT)
    assert (told.amount_minor, told.currency) == (8_000, "USD")
    assert told.arrival_at == datetime.fromtimestamp(1_790_000_000, UTC)
    assert parse_payout({**PAYOUT, "arrival_date": None}).arrival_at is None


UNREADABLE_PAYOUT = [
    *(("id", value) for value in (None, "", *NO_TEXT)),
    *(("status", value) for value in (None, "on_its_way", *NO_TEXT)),
    *(("amount", value) for value in NO_AMOUNT),
    *(("currency", value) for value in (None, "", *NO_TEXT)),
    *(("arrival_date", value) for value in NO_TIME if value is not None),
    *(("failure_code", value) for value in NO_TEXT),
    *(("failure_message", value) for value in NO_TEXT),
]


@pytest.mark.parametrize(("name", "value"), UNREADABLE_PAYOUT, ids=repr)
def test_an_unreadable_payout(name: str, value: object) -> None:
    with pytest.raises(Unreadable):
        parse_payout({**PAYOUT, name: value})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-11-20T12:00:00.000Z", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20T13:00:00+01:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
        ("2026-11-20T12:00:00", datetime(2026, 11, 20, 12, tzinfo=UTC)),
    ],
)
def test_a_time_of_either_api(value: object, expected: datetime) -> None:
    assert moment_of(value) == expected


@pytest.mark.parametrize("value", [*NO_TIME, "", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time(value: object) -> None:
    with pytest.raises(Unreadable):
        moment_of(value)


def test_our_id_in_the_metadata() -> None:
    ours = new_id()

    assert our_id({"metadata": {"effect": ids.show(ids.EFFECT, ours)}}, "effect") == ours


@pytest.mark.parametrize(
    "metadata",
    [None, "ours", [], {}, {"effect": None}, {"effect": 7}, {"effect": "eff_"}, {"effect": "x"}],
    ids=repr,
)
def test_an_object_that_is_not_ours(metadata: object) -> None:
    assert our_id({"metadata": metadata}, "effect") is None
    assert our_id({}, "effect") is None


def account_v1(**changes: object) -> dict[str, Any]:
    ready = {"capabilities": {"transfers": "active"}, "payouts_enabled": True}
    return {"object": "account", "id": "acct_1", "details_submitted": True, **ready, **changes}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, PayeeState.ACTIVE),
        ({"payouts_enabled": False}, PayeeState.RESTRICTED),
        ({"payouts_enabled": "true"}, PayeeState.RESTRICTED),
        ({"capabilities": {"transfers": "pending"}}, PayeeState.RESTRICTED),
        ({"capabilities": None}, PayeeState.RESTRICTED),
        ({"capabilities": None, "details_submitted": False}, PayeeState.ONBOARDING),
        (
            {"payouts_enabled": False, "requirements": {"disabled_reason": "rejected.fraud"}},
            PayeeState.REJECTED,
        ),
    ],
)
def test_an_account_of_v1_is_active_only_when_money_gets_in_and_out(
    changes: dict[str, Any], state: PayeeState
) -> None:
    assert parse_account_v1(account_v1(**changes)).state is state


def account_v2(transfers: dict[str, Any], **changes: object) -> dict[str, Any]:
    balance = {"stripe_balance": {"stripe_transfers": transfers}}
    return {
        "object": "v2.core.account",
        "id": "acct_1",
        "configuration": {"recipient": {"capabilities": balance}},
        **changes,
    }


DUE = {"entries": [{"description": "identity.individual.id_number"}]}


@pytest.mark.parametrize(
    ("account", "state"),
    [
        (account_v2({"status": "active"}), PayeeState.ACTIVE),
        (account_v2({"status": "pending"}), PayeeState.RESTRICTED),
        (account_v2({"status": "restricted"}, requirements=DUE), PayeeState.ONBOARDING),
        (
            account_v2({"status": "restricted", "status_details": [{"code": "rejected_by_us"}]}),
            PayeeState.REJECTED,
        ),
        (account_v2({"status": "active"}, closed=True), PayeeState.DEAUTHORIZED),
        ({"object": "v2.core.account", "id": "acct_1"}, PayeeState.RESTRICTED),
    ],
)
def test_an_account_of_v2_follows_the_capability_that_lets_money_in(
    account: dict[str, Any], state: PayeeState
) -> None:
    assert parse_account_v2(account).state is state


@pytest.mark.parametrize("value", [None, "", *NO_TEXT], ids=repr)
def test_an_account_without_a_name(value: object) -> None:
    with pytest.raises(Unreadable):
        parse_account_v1(account_v1(id=value))
    with pytest.raises(Unreadable):
        parse_account_v2({**account_v2({}), "id": value})
