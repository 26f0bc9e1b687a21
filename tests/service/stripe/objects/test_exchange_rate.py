"""Exchange rates, read strictly."""

from decimal import Decimal

import pytest

from service.stripe.objects.exchange_rate import parse_exchange_rates
from service.stripe.objects.values import Unreadable


def test_rates_are_read_as_they_were_written() -> None:
    shown = {"id": "eur", "object": "exchange_rate", "rates": {"usd": 1.1, "jpy": 160, "kwd": 3e-5}}

    assert parse_exchange_rates(shown) == {
        "USD": Decimal("1.1"),
        "JPY": Decimal(160),
        "KWD": Decimal("0.00003"),
    }
    assert parse_exchange_rates({}) == {}


@pytest.mark.parametrize("rate", [0, -1, None, True, "1.1", [], float("nan"), float("inf")])
def test_a_rate_that_is_none_is_not_read(rate: object) -> None:
    with pytest.raises(Unreadable):
        parse_exchange_rates({"rates": {"usd": rate}})


@pytest.mark.parametrize("rates", [[], "usd", 1])
def test_neither_are_rates_of_another_shape(rates: object) -> None:
    with pytest.raises(Unreadable):
        parse_exchange_rates({"rates": rates})
