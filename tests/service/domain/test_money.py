from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.money import (
    CURRENCIES,
    charge_step_minor,
    format_minor,
    payout_step_minor,
    split_pro_rata,
)

AMOUNTS = st.integers(0, 10**13)
WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=50)


@given(AMOUNTS, WEIGHTS)
def test_shares_sum_to_the_amount_and_are_never_negative(total: int, weights: list[int]) -> None:
    shares = split_pro_rata(total, weights)

    assert sum(shares) == total
    assert len(shares) == len(weights)
    assert min(shares) >= 0


@given(AMOUNTS, WEIGHTS.filter(any))
def test_no_share_is_off_by_a_whole_unit(total: int, weights: list[int]) -> None:
    whole = sum(weights)

    for share, weight in zip(split_pro_rata(total, weights), weights, strict=True):
        assert abs(share * whole - total * weight) < whole


@given(AMOUNTS, WEIGHTS.filter(any))
def test_a_weight_of_zero_gets_nothing(total: int, weights: list[int]) -> None:
    for share, weight in zip(split_pro_rata(total, weights), weights, strict=True):
        assert weight or not share


@given(AMOUNTS, WEIGHTS)
def test_a_larger_weight_never_gets_less(total: int, weights: list[int]) -> None:
    by_weight = sorted(zip(weights, split_pro_rata(total, weights), strict=True))

    for (lighter, less), (heavier, more) in pairwise(by_weight):
        assert lighter == heavier or less <= more


@pytest.mark.parametrize(
    ("total", "weights", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (2, [1, 1, 1], [1, 1, 0]),
        (1, [1, 2], [0, 1]),
        (7, [0, 5, 0, 5], [0, 4, 0, 3]),
        (3, [0, 0], [2, 1]),
        (0, [3, 4], [0, 0]),
        (0, [], []),
    ],
)
def test_the_remainder_goes_to_the_largest_loss_then_to_the_first(
    total: int, weights: list[int], shares: list[int]
) -> None:
    assert split_pro_rata(total, weights) == shares


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (1, [2, -1]), (1, [])])
def test_what_cannot_be_split_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        split_pro_rata(total, weights)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (123450, "USD", "1,234.50 USD"),
        (5, "EUR", "0.05 EUR"),
        (-5, "JPY", "-5 JPY"),
        (105, "KWD", "0.105 KWD"),
        (500, "ISK", "5.00 ISK"),
        (-1, "USD", "-0.01 USD"),
    ],
)
def test_format_minor(amount_minor: int, currency: str, text: str) -> None:
    assert format_minor(amount_minor, currency) == text


@given(st.integers(-(10**13), 10**13), st.sampled_from(sorted(CURRENCIES)))
def test_a_formatted_amount_reads_back(amount_minor: int, currency: str) -> None:
    number, code = format_minor(amount_minor, currency).split()

    assert int(number.replace(",", "").replace(".", "")) == amount_minor
    assert code == currency


def test_the_exponents_are_stripes_and_not_isos() -> None:
    assert {CURRENCIES["JPY"], CURRENCIES["KRW"], CURRENCIES["XOF"]} == {0}
    assert {CURRENCIES["USD"], CURRENCIES["ISK"], CURRENCIES["UGX"], CURRENCIES["HUF"]} == {2}
    assert {CURRENCIES[code] for code in ("BHD", "JOD", "KWD", "OMR", "TND")} == {3}


def test_steps_never_ask_for_more_than_whole_units() -> None:
    for currency, exponent in CURRENCIES.items():
        assert 10**exponent % charge_step_minor(currency) == 0
        assert payout_step_minor(currency) % charge_step_minor(currency) == 0
    assert (charge_step_minor("HUF"), payout_step_minor("HUF")) == (1, 100)
    assert (charge_step_minor("KWD"), charge_step_minor("ISK")) == (10, 100)
