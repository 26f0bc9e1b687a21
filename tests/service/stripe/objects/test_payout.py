"""A payout, read strictly."""

from datetime import UTC, datetime
from typing import Any

import pytest

from service.domain.states.payout import PayoutState
from service.stripe.objects.payout import parse_payout
from service.stripe.objects.values import Unreadable
from tests.service.stripe.objects.nonsense import NO_AMOUNT, NO_TEXT, NO_TIME

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
