import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from service.domain.charge_limits import most_chargeable_minor
from service.domain.errors import AmountBeyondLimits, CurrencyNotInPolicy
from service.domain.fees import FeeRule, Fees, FixedPer
from service.domain.money import CURRENCIES, charge_step_minor
from service.domain.policy import Limits, Policy
from service.domain.policy_default import DEFAULT_POLICY
from service.domain.policy_lint import lint
from tests.service.domain.policies import accepted, rules

POLICY = Policy({"USD": rules()})
ONCE = Policy({"USD": rules(payer_fee=FeeRule(300, fixed_minor=30, fixed_per=FixedPer.PAYMENT))})
PROPERTY = settings(suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


def test_the_default_fees() -> None:
    """ledger.md section 5: the payer pays 5 % on top, the payee 20 % at release."""
    assert DEFAULT_POLICY.quote("USD", [100_00]) == [
        Fees(amount_minor=100_00, payer_fee_minor=5_00, payee_fee_minor=20_00)
    ]


def test_each_milestone_has_the_fee_of_its_own_amount() -> None:
    fees = DEFAULT_POLICY.quote("USD", [33_33, 33_33, 33_35])

    assert [each.payer_fee_minor for each in fees] == [1_67, 1_67, 1_67]
    assert [each.payee_fee_minor for each in fees] == [6_67, 6_67, 6_67]


def test_what_is_fixed_per_payment_is_taken_once() -> None:
    together = [each.payer_fee_minor for each in ONCE.quote("USD", [100_00, 50_00])]
    apart = [ONCE.quote("USD", [amount])[0].payer_fee_minor for amount in (100_00, 50_00)]

    assert together == [3_30, 1_50]
    assert apart == [3_30, 1_80]
    assert [f.payer_fee_minor for f in POLICY.quote("USD", [100_00, 50_00])] == [3_30, 1_80]


@PROPERTY
@given(accepted(), st.lists(st.integers(1, 10**9), min_size=1, max_size=20))
def test_what_is_quoted_is_exact_and_can_be_charged(
    policy_of: tuple[str, Policy], steps: list[int]
) -> None:
    """Whatever passes the linter: what a payer pays is the prices and the fees, in whole steps, and
    no share is negative.
    """
    currency, policy = policy_of
    step = charge_step_minor(currency)
    amounts = [count * step for count in steps]
    for amount in amounts:
        try:
            policy.check_milestones(currency, [amount])
        except AmountBeyondLimits:
            assume(False)
    fees = policy.quote(currency, amounts)
    alone = [policy.quote(currency, [amount])[0] for amount in amounts]
    once = policy.currencies[currency].payer_fee.per_payment_minor

    assert [each.amount_minor for each in fees] == amounts
    assert sum(f.charged_minor for f in fees) == sum(amounts) + sum(f.payer_fee_minor for f in fees)
    assert sum(f.charged_minor for f in fees) == sum(f.charged_minor for f in alone) - once * (
        len(amounts) - 1
    )
    for each in (*fees, *alone):
        assert each.charged_minor % step == 0
        assert 0 <= each.payee_fee_minor <= each.amount_minor
        assert 0 <= each.payer_fee_minor <= each.amount_minor
        assert (each.amount_minor - each.payee_fee_minor) % step == 0


def test_limits_are_inclusive_and_of_what_the_payer_pays() -> None:
    POLICY.check_milestones(
        "USD", [1_65, 485_15]
    )  # 2.00 and 500.00, the fee of 3 % + 0.30 included
    for beyond in (1_64, 485_16):
        with pytest.raises(AmountBeyondLimits) as refused:
            POLICY.check_milestones("USD", [100_00, beyond])
        assert refused.value.metadata["least_minor"] == "200"
        assert refused.value.metadata["most_minor"] == "50000"
        assert refused.value.metadata["currency"] == "USD"


def test_a_refused_amount_is_told_as_a_person_reads_it() -> None:
    with pytest.raises(AmountBeyondLimits, match=r"1\.99 USD .*2\.00 USD to 500\.00 USD"):
        POLICY.check_payout(1_99, "USD", all_there_is=False)


def test_milestones_together_can_only_be_too_much() -> None:
    POLICY.check_payment(1, "USD")  # each of them was looked at when the escrow was created
    POLICY.check_payment(500_00, "USD")
    with pytest.raises(AmountBeyondLimits):
        POLICY.check_payment(500_01, "USD")


def test_a_currency_that_is_not_listed_is_not_taken() -> None:
    with pytest.raises(CurrencyNotInPolicy) as refused:
        POLICY.check_milestones("EUR", [100_00])
    assert refused.value.metadata == {"currency": "EUR", "currencies": "USD"}


def test_a_payout_is_never_shut_in() -> None:
    """All there is may leave however small, and what arrived in a currency that is not listed."""
    POLICY.check_payout(1, "USD", all_there_is=True)
    POLICY.check_payout(1, "EUR", all_there_is=False)
    with pytest.raises(AmountBeyondLimits):
        POLICY.check_payout(500_01, "USD", all_there_is=True)


def test_payouts_can_have_limits_of_their_own() -> None:
    policy = Policy({"USD": rules(payout_limits=Limits(50_00, 60_00))})
    policy.check_payout(60_00, "USD", all_there_is=False)
    with pytest.raises(AmountBeyondLimits, match=r"50\.00 USD to 60\.00 USD"):
        policy.check_payout(49_99, "USD", all_there_is=False)


# The default.


def test_the_default_lists_every_currency_and_passes_the_linter() -> None:
    assert set(DEFAULT_POLICY.currencies) == set(CURRENCIES)
    assert lint(DEFAULT_POLICY) == []


SCALE_BEFORE = {
    "JPY": 100,
    "KRW": 1_000,
    "HUF": 100,
    "TWD": 10,
    "CLP": 1_000,
    "VND": 10_000,
    "IDR": 10_000,
    "COP": 1_000,
    "UGX": 1_000,
    "ISK": 100,
    "PYG": 1_000,
}


@pytest.mark.parametrize("currency", sorted(CURRENCIES))
def test_the_default_takes_whatever_it_took_and_stripe_takes(currency: str) -> None:
    """Escrows are pinned to it that were created when it knew less of currencies."""
    most_before = 10_000 * 10 ** CURRENCIES[currency] * SCALE_BEFORE.get(currency, 1)
    limits = DEFAULT_POLICY.rules(currency).payment_limits

    assert limits.most_minor >= min(most_before, most_chargeable_minor(currency))
    DEFAULT_POLICY.check_payment(1, currency)
