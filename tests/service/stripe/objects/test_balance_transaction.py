"""A balance transaction, read strictly."""

from typing import Any

import pytest

from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.values import Unreadable
from tests.service.stripe.objects.nonsense import NO_AMOUNT, NO_TEXT, NO_TIME

BALANCE: dict[str, Any] = {
    "object": "balance_transaction",
    "id": "txn_1",
    "net": 10_165,
    "fee": 335,
    "currency": "jpy",
    "created": 1_790_000_000,
}
UNREADABLE_BALANCE = [
    *(("id", value) for value in (None, "", *NO_TEXT)),
    *(("net", value) for value in (*NO_AMOUNT, -1)),
    *(("fee", value) for value in (*NO_AMOUNT, -1)),
    *(("currency", value) for value in (None, "", *NO_TEXT)),
    *(("created", value) for value in NO_TIME),
]


@pytest.mark.parametrize(("name", "value"), UNREADABLE_BALANCE, ids=repr)
def test_an_unreadable_balance_transaction(name: str, value: object) -> None:
    with pytest.raises(Unreadable):
        parse_balance_transaction({**BALANCE, name: value})
