import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import AmountBeyondLimits
from service.domain.money import CURRENCIES
from service.domain.policy import CURRENT_VERSION, POLICIES, FeeRule, Fees, fee_part, quote

POLICY = POLICIES[1]
AMOUNTS = st.lists(st.integers(1, 10**12), min_size=1, max_size=30)


def test_new_escrows_get_the_newest_policy() -> None:
    assert max(POLICIES) == CURRENT_VERSION
    assert all(version == policy.version for version, policy in POLICIES.items())


def test_the_default_fees() -> None:
    """ledger.md section 5: the payer pays 5 % on top, the payee 20 % at release."""
    assert quote(POLICY, [100_00]) == [
        Fees(amount_minor=100_00, payer_fee_minor=5_00, payee_fee_minor=20_00)
    ]


@pytest.mark.parametrize(
    ("amount_minor", "fee_minor"), [(0, 0), (9, 0), (10, 1), (29, 1), (30, 2), (10_000, 500)]
)
def test_a_fee_is_rounded_half_up(amount_minor: int, fee_minor: int) -> None:
    assert FeeRule(500).fee_minor(amount_minor) == fee_minor


@given(AMOUNTS)
def test_the_fees_of_milestones_sum_to_the_fee_of_the_whole(amounts_minor: list[int]) -> None:
    fees = quote(POLICY, amounts_minor)
    (whole,) = quote(POLICY, [sum(amounts_minor)])

    assert [each.amount_minor for each in fees] == amounts_minor
    assert sum(each.payer_fee_minor for each in fees) == whole.payer_fee_minor
    assert sum(each.payee_fee_minor for each in fees) == whole.payee_fee_minor


@given(AMOUNTS)
def test_no_fee_is_negative_or_takes_more_than_there_is(amounts_minor: list[int]) -> None:
    for fees in quote(POLICY, amounts_minor):
        assert fees.payer_fee_minor >= 0
        assert 0 <= fees.payee_fee_minor <= fees.amount_minor


STEPS = st.sampled_from([1, 10, 100])  # the smallest amounts of USD, KWD and ISK


@given(AMOUNTS, STEPS)
def test_fees_can_be_charged(steps: list[int], step_minor: int) -> None:
    fees = quote(POLICY, [count * step_minor for count in steps], step_minor=step_minor)
    (whole,) = quote(POLICY, [sum(steps) * step_minor], step_minor=step_minor)

    assert all(each.payer_fee_minor % step_minor == 0 for each in fees)
    assert all(each.payee_fee_minor % step_minor == 0 for each in fees)
    assert all(0 <= each.payee_fee_minor <= each.amount_minor for each in fees)
    assert sum(each.payer_fee_minor for each in fees) == whole.payer_fee_minor
    assert sum(each.payee_fee_minor for each in fees) == whole.payee_fee_minor


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20), STEPS, st.integers(0, 10_000))
def test_parts_of_any_fee_add_up_and_never_exceed_their_part(
    steps: list[int], step_minor: int, basis_points: int
) -> None:
    parts = [count * step_minor for count in steps]
    amount_minor = sum(parts)
    fee_minor = FeeRule(basis_points).fee_minor(sum(steps)) * step_minor
    gone = total = 0
    for part in parts:
        share = fee_part(fee_minor, amount_minor, gone, part, step_minor=step_minor)
        assert 0 <= share <= part
        assert share % step_minor == 0
        gone, total = gone + part, total + share

    assert total == fee_minor


@pytest.mark.parametrize(
    ("currency", "least_minor", "most_minor"),
    [
        ("USD", 10_00, 10_000_00),
        ("EUR", 10_00, 10_000_00),
        ("KWD", 10_000, 10_000_000),
        ("JPY", 1_000, 1_000_000),
        ("ISK", 1_000_00, 1_000_000_00),
    ],
)
def test_limits_are_inclusive(currency: str, least_minor: int, most_minor: int) -> None:
    assert POLICY.limits_minor(currency) == (least_minor, most_minor)
    POLICY.check_limits(least_minor, currency)
    POLICY.check_limits(most_minor, currency)
    for beyond in (least_minor - 1, most_minor + 1):
        with pytest.raises(AmountBeyondLimits) as refused:
            POLICY.check_limits(beyond, currency)
        assert refused.value.metadata == {
            "amount_minor": str(beyond),
            "least_minor": str(least_minor),
            "most_minor": str(most_minor),
            "currency": currency,
        }


def test_a_refused_amount_is_told_as_a_person_reads_it() -> None:
    with pytest.raises(AmountBeyondLimits, match=r"9\.99 USD .*10\.00 USD to 10,000\.00 USD"):
        POLICY.check_limits(9_99, "USD")


def test_every_currency_has_limits() -> None:
    assert set(POLICY.scale) <= set(CURRENCIES)
    for currency in CURRENCIES:
        least, most = POLICY.limits_minor(currency)
        assert 0 < least < most
