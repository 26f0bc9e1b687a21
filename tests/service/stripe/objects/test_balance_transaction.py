"""A balance transaction, read strictly."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from service.domain.records.balance_transaction import BalanceTransaction
from service.stripe.objects.balance_transaction import (
    parse_balance_transaction,
    shown_transaction,
)
from service.stripe.objects.values import Unreadable
from tests.service.stripe.objects.nonsense import NO_AMOUNT, NO_TEXT, NO_TIME

BALANCE: dict[str, Any] = {
    "object": "balance_transaction",
    "id": "txn_1",
    "type": "charge",
    "amount": 10_500,
    "fee": 335,
    "net": 10_165,
    "currency": "jpy",
    "exchange_rate": None,
    "source": "ch_2",
    "created": 1_790_000_000,
    "available_on": 1_790_172_800,
}
SHOWN = BalanceTransaction(
    id="txn_1",
    type="charge",
    amount_minor=10_500,
    fee_minor=335,
    net_minor=10_165,
    currency="JPY",
    exchange_rate=None,
    source="ch_2",
    created_at=datetime.fromtimestamp(1_790_000_000, UTC),
    available_at=datetime.fromtimestamp(1_790_172_800, UTC),
)
NO_RATE = [0, -1.5, "1.1", [], {}, float("nan"), float("inf"), 10**12]
UNREADABLE_BALANCE = [
    *(("id", value) for value in (None, "", "txn_1:held", "txn_é", "ch_1", *NO_TEXT)),
    *(("type", value) for value in (None, "", *NO_TEXT)),
    *(("amount", value) for value in (*NO_AMOUNT, 10_501)),  # not the net and the fee
    *(("net", value) for value in (*NO_AMOUNT, -1)),
    *(("fee", value) for value in (*NO_AMOUNT, -1)),
    *(("source", value) for value in NO_TEXT),
    *(("exchange_rate", value) for value in (*NO_RATE, True)),
    *(("available_on", value) for value in NO_TIME),
    *(("currency", value) for value in (None, "", *NO_TEXT)),
    *(("created", value) for value in NO_TIME),
]


def test_a_balance_transaction() -> None:
    assert parse_balance_transaction(BALANCE) == SHOWN


def test_what_caused_it_may_be_expanded() -> None:
    expanded = {**BALANCE, "source": {"object": "charge", "id": "ch_2"}}

    assert parse_balance_transaction(expanded) == SHOWN


@pytest.mark.parametrize("rate", [1, 1.1, 0.000_123_4, 4_711.25])
def test_an_exchange_rate_is_read_as_it_was_written(rate: float) -> None:
    told = parse_balance_transaction({**BALANCE, "exchange_rate": rate})

    assert told.exchange_rate == Decimal(str(rate))


def test_it_is_shown_inside_another_object_or_not_yet() -> None:
    assert shown_transaction({"balance_transaction": BALANCE}) == SHOWN
    assert shown_transaction({"balance_transaction": None}) is None
    assert shown_transaction({}) is None
    with pytest.raises(Unreadable, match="not expanded"):
        shown_transaction({"balance_transaction": "txn_1"})


@pytest.mark.parametrize(("name", "value"), UNREADABLE_BALANCE, ids=repr)
def test_an_unreadable_balance_transaction(name: str, value: object) -> None:
    with pytest.raises(Unreadable):
        parse_balance_transaction({**BALANCE, name: value})
