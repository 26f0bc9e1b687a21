"""Policies that tests charge by, and strategies for those that the linter accepts."""

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from service.domain.charge_limits import least_chargeable_minor, most_chargeable_minor
from service.domain.fees import FeeRule, FixedPer
from service.domain.money import CURRENCIES, charge_step_minor, payout_step_minor
from service.domain.policy import CurrencyRules, Limits, Policy
from service.domain.policy_lint import lint

THREE_PERCENT = FeeRule(300, fixed_minor=30)


def rules(**changes: Any) -> CurrencyRules:  # noqa: ANN401  any field
    """3 % + 0.30 of the payer, 10 % of the payee, from 2.00 to 500.00."""
    fields: dict[str, Any] = {
        "payment_limits": Limits(2_00, 500_00),
        "payer_fee": THREE_PERCENT,
        "payee_fee": FeeRule(1_000),
    }
    return CurrencyRules(**fields | changes)


@st.composite
def fee_rules(draw: st.DrawFn, step: int) -> FeeRule:
    least = draw(st.integers(0, 50)) * step
    return FeeRule(
        basis_points=draw(st.integers(0, 10_000)),
        fixed_minor=draw(st.integers(0, 300)) * step,
        fixed_per=draw(st.sampled_from(FixedPer)),
        least_minor=least,
        most_minor=draw(st.none() | st.integers(0, 1_000).map(lambda more: least + more * step)),
    )


@st.composite
def accepted(draw: st.DrawFn) -> tuple[str, Policy]:
    """A currency, and a policy for it that passes the linter."""
    currency = draw(st.sampled_from(sorted(CURRENCIES)))
    step, bank = charge_step_minor(currency), payout_step_minor(currency)
    least = -(-draw(st.integers(least_chargeable_minor(currency), 100_000)) // bank) * bank
    most = draw(st.integers(least, most_chargeable_minor(currency))) // bank * bank
    fees = draw(fee_rules(step)), draw(fee_rules(step))
    policy = Policy({currency: CurrencyRules(Limits(least, most), *fees)})
    assume(not lint(policy))
    return currency, policy
