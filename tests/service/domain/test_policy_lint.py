from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import AmountBeyondLimits
from service.domain.fees import FeeRule, FixedPer
from service.domain.policy import CurrencyRules, Limits, Periods, Policy, StripeFeeBearer
from service.domain.policy_lint import lint
from tests.service.domain.policies import fee_rules, rules

PER_PAYMENT = FixedPer.PAYMENT


def found(policy: Policy) -> dict[str, str]:
    return {violation.field: violation.description for violation in lint(policy)}


def test_a_policy_that_makes_sense_passes() -> None:
    whole = rules(
        payer_fee=FeeRule(300, 30, PER_PAYMENT, least_minor=50, most_minor=100_00),
        payout_limits=Limits(1, 10_000_00),
    )
    assert lint(Policy({"USD": whole, "EUR": rules()})) == []


@pytest.mark.parametrize(
    ("currency", "changes", "field", "says"),
    [
        ("XXX", {}, "", "no currency"),
        ("usd", {}, "", "no currency"),
        (
            "USD",
            {"payment_limits": Limits(49, 500_00)},
            "payment_limits.least_minor",
            "50 (0.50 USD)",
        ),
        (
            "CZK",
            {"payment_limits": Limits(9_53, 500_00)},
            "payment_limits.least_minor",
            "15.00 CZK",
        ),
        ("HUF", {"payment_limits": Limits(50_00, 500_00)}, "payment_limits.least_minor", "175.00"),
        ("UGX", {"payment_limits": Limits(100, 10**9)}, "payment_limits.most_minor", "999,999.00"),
        ("USD", {"payment_limits": Limits(5_00, 4_99)}, "payment_limits.most_minor", "not be less"),
        ("KWD", {"payment_limits": Limits(2_005, 90_000)}, "payment_limits.least_minor", "10"),
        ("ISK", {"payment_limits": Limits(200_00, 1_000_50)}, "payment_limits.most_minor", "100"),
        ("USD", {"payout_limits": Limits(0, 1)}, "payout_limits.least_minor", "at least 1"),
        ("USD", {"payout_limits": Limits(2, 1)}, "payout_limits.most_minor", "not be less"),
        # A card is charged fillér, a bank is paid in whole forint.
        ("HUF", {"payment_limits": Limits(175_50, 500_00)}, "payout_limits.least_minor", "100"),
        ("USD", {"payer_fee": FeeRule(10_001)}, "payer_fee.basis_points", "10000"),
        ("USD", {"payee_fee": FeeRule(-1)}, "payee_fee.basis_points", "10000"),
        ("USD", {"payer_fee": FeeRule(0, fixed_minor=-1)}, "payer_fee.fixed_minor", "from 0"),
        ("USD", {"payer_fee": FeeRule(0, fixed_minor=10**13)}, "payer_fee.fixed_minor", "from 0"),
        (
            "KWD",
            {"payer_fee": FeeRule(0, fixed_minor=5)},
            "payer_fee.fixed_minor",
            "multiple of 10",
        ),
        (
            "ISK",
            {"payee_fee": FeeRule(0, least_minor=50)},
            "payee_fee.least_minor",
            "multiple of 100",
        ),
        (
            "USD",
            {"payee_fee": FeeRule(0, least_minor=2, most_minor=1)},
            "payee_fee.most_minor",
            "less",
        ),
        # 2.00 can be paid with a price of 0.01 and a fee of 1.99.
        ("USD", {"payer_fee": FeeRule(0, fixed_minor=1_99)}, "payer_fee", "1.99 USD"),
        ("USD", {"payee_fee": FeeRule(10_000, fixed_minor=1)}, "payee_fee", "must not be more"),
        ("USD", {"payee_fee": FeeRule(0, 1_66, PER_PAYMENT)}, "payee_fee", "1.66 USD"),
        ("USD", {"payee_fee": FeeRule(0, least_minor=1_66)}, "payee_fee", "1.66 USD"),
        (
            "USD",
            {"payment_limits": Limits(2_00, 2_00), "payer_fee": FeeRule(5_100)},
            "payment_limits.most_minor",
            "2.01 USD",
        ),
    ],
)
def test_what_it_finds(currency: str, changes: dict[str, Any], field: str, says: str) -> None:
    expected = f"currencies.{currency}.{field}".removesuffix(".")
    free = {"payer_fee": FeeRule(0), "payee_fee": FeeRule(0)} if currency != "USD" else {}

    problems = found(Policy({currency: rules(**free | changes)}))

    assert set(problems) == {expected}
    assert says in problems[expected]


def test_stripes_fee_cannot_be_booked_on_the_payee_yet() -> None:
    problems = found(Policy({"USD": rules()}, stripe_fee_bearer=StripeFeeBearer.PAYEE))
    assert set(problems) == {"stripe_fee_bearer"}
    assert "cannot be booked on the payee yet" in problems["stripe_fee_bearer"]


def test_a_policy_takes_something() -> None:
    assert found(Policy({})) == {"currencies": "must list at least one currency"}


def test_everything_is_found_at_once() -> None:
    wrong = rules(payment_limits=Limits(1, 2), payer_fee=FeeRule(-1))
    policy = Policy({"EUR": wrong, "USD": wrong}, stripe_fee_bearer=StripeFeeBearer.PAYEE)
    assert len(found(policy)) == 5


def test_limits_of_payouts_hide_no_fee_that_is_too_high() -> None:
    wrong = rules(payout_limits=Limits(0, 100), payee_fee=FeeRule(0, fixed_minor=10_000))
    assert set(found(Policy({"USD": wrong}))) == {
        "currencies.USD.payout_limits.least_minor",
        "currencies.USD.payee_fee",
    }


@given(fee_rules(1), fee_rules(1), st.integers(50, 3_000), st.integers(0, 20_000))
def test_it_refuses_exactly_what_could_take_more_than_there_is(
    payer_fee: FeeRule, payee_fee: FeeRule, least: int, more: int
) -> None:
    """Held against every amount that the limits let through, one by one."""
    policy = Policy({"USD": CurrencyRules(Limits(least, least + more), payer_fee, payee_fee)})
    allowed = []
    for amount in range(1, least + 2):
        try:
            policy.check_milestones("USD", [amount])
        except AmountBeyondLimits:
            continue
        allowed += policy.quote("USD", [amount])

    fits = all(max(f.payer_fee_minor, f.payee_fee_minor) <= f.amount_minor for f in allowed)
    if allowed:
        assert (lint(policy) == []) == fits


@pytest.mark.parametrize("name", [each.name for each in fields(Periods)])
@pytest.mark.parametrize(("hours", "right"), [(0, False), (1, True), (8_760, True), (8_761, False)])
def test_no_wait_is_without_a_deadline(name: str, hours: int, right: bool) -> None:
    policy = Policy({"USD": rules()}, periods=replace(Periods(), **{name: hours}))

    problems = found(policy)
    assert list(problems) == ([] if right else [f"periods.{name}"])
    assert right or "no wait is without a deadline" in problems[f"periods.{name}"]
