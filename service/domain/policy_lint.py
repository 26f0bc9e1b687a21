"""What can be proved of a policy before anything is charged by it. Each rule is a function here."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields

from service.domain.charge_limits import least_chargeable_minor, most_chargeable_minor
from service.domain.errors import FieldViolation
from service.domain.fees import FeeRule
from service.domain.money import (
    CURRENCIES,
    charge_step_minor,
    format_minor,
    payout_step_minor,
)
from service.domain.policy import (
    ApprovalLimits,
    CurrencyRules,
    Limits,
    Periods,
    Policy,
    StripeFeeBearer,
)

ALL_OF_IT = 10_000  # basis points
LONGEST_HOURS = 8_760  # a year
MOST_MINOR = 10**12  # more than any amount here
NO_CURRENCY = "is no currency that Stripe charges: an ISO 4217 code, like EUR"

Rule = Callable[[str, CurrencyRules], Iterator[FieldViolation]]


def lint(policy: Policy) -> list[FieldViolation]:
    """Everything that is wrong with it, by the path in its document; empty when it holds."""
    found = []
    if policy.stripe_fee_bearer is not StripeFeeBearer.PLATFORM:
        problem = (
            "must be platform: Stripe's fee is known after the payee's share is agreed, and cannot"
            " be booked on the payee yet"
        )
        found.append(FieldViolation("stripe_fee_bearer", problem))
    found += _waits_end(policy.periods)
    found += _approvals(policy.approvals)
    if not policy.currencies:
        found.append(FieldViolation("currencies", "must list at least one currency"))
    for currency, rules in policy.currencies.items():
        found += _lint_currency(currency, rules)
    return found


def _waits_end(periods: Periods) -> Iterator[FieldViolation]:
    """Every wait for a person has a deadline: without one the money might stay for ever."""
    for each in fields(periods):
        if not 1 <= getattr(periods, each.name) <= LONGEST_HOURS:
            problem = f"must be from 1 to {LONGEST_HOURS} hours: no wait is without a deadline"
            yield FieldViolation(f"periods.{each.name}", problem)


def _approvals(approvals: Mapping[str, ApprovalLimits]) -> Iterator[FieldViolation]:
    for currency, limits in approvals.items():
        path = f"approvals.{currency}"
        if currency not in CURRENCIES:
            yield FieldViolation(path, NO_CURRENCY)
        for each in fields(limits):
            limit_minor = getattr(limits, each.name)
            if limit_minor is not None:  # in any step: it is compared, and never charged
                yield from _amount(f"{path}.{each.name}", limit_minor, currency, 1)


def _lint_currency(currency: str, rules: CurrencyRules) -> Iterator[FieldViolation]:
    path = f"currencies.{currency}"
    if currency not in CURRENCIES:
        yield FieldViolation(path, NO_CURRENCY)
        return
    of_parts = {rule: list(rule(currency, rules)) for rule in RULES_OF_PARTS}
    violations = [each for found in of_parts.values() for each in found]
    if not any(of_parts[rule] for rule in OF_FEES):  # else they would only say the same again
        violations += _fees_leave_something(currency, rules)
    yield from (FieldViolation(f"{path}.{v.field}", v.description) for v in violations)


def _payments_within_stripes(currency: str, rules: CurrencyRules) -> Iterator[FieldViolation]:
    limits = rules.payment_limits
    least, most = least_chargeable_minor(currency), most_chargeable_minor(currency)
    yield from _limits("payment_limits", limits, currency, charge_step_minor(currency))
    if limits.least_minor < least:
        yield FieldViolation(
            "payment_limits.least_minor",
            f"must be at least {_shown(least, currency)}: Stripe charges no less",
        )
    if limits.most_minor > most:
        yield FieldViolation(
            "payment_limits.most_minor",
            f"must be at most {_shown(most, currency)}: Stripe charges no more at once",
        )


def _payouts_in_steps(currency: str, rules: CurrencyRules) -> Iterator[FieldViolation]:
    """Where a bank takes larger steps than a card, limits of payments may not do for payouts."""
    if rules.payout_limits is None and any(_payments_within_stripes(currency, rules)):
        return  # they are those of payments, which are wrong already
    step = payout_step_minor(currency)
    yield from _limits("payout_limits", rules.limits_of_payouts, currency, step)
    if rules.limits_of_payouts.least_minor < 1:
        yield FieldViolation("payout_limits.least_minor", "must be at least 1")


def _fees_in_bounds(currency: str, rules: CurrencyRules) -> Iterator[FieldViolation]:
    for name, fee in _fees(rules):
        if not 0 <= fee.basis_points <= ALL_OF_IT:
            yield FieldViolation(f"{name}.basis_points", f"must be from 0 to {ALL_OF_IT} (100 %)")
        amounts = [("fixed_minor", fee.fixed_minor), ("least_minor", fee.least_minor)]
        amounts += [] if fee.most_minor is None else [("most_minor", fee.most_minor)]
        for part, minor in amounts:
            yield from _amount(f"{name}.{part}", minor, currency, charge_step_minor(currency))
        if fee.most_minor is not None and fee.most_minor < fee.least_minor:
            problem = f"must not be less than least_minor, {_shown(fee.least_minor, currency)}"
            yield FieldViolation(f"{name}.most_minor", problem)


def _fees_leave_something(currency: str, rules: CurrencyRules) -> Iterator[FieldViolation]:
    """No fee is more than the amount that it is taken of. What is left only grows with the amount,
    so the least amount proves it for all.
    """
    policy, limits = Policy({currency: rules}), rules.payment_limits
    amount = _least_amount(policy, currency)
    (fees,) = policy.quote(currency, [amount])
    if fees.charged_minor > limits.most_minor:
        problem = f"is less than any payment comes to: {_shown(fees.charged_minor, currency)}"
        yield FieldViolation("payment_limits.most_minor", problem)
    for name, minor in (("payer_fee", fees.payer_fee_minor), ("payee_fee", fees.payee_fee_minor)):
        if minor > amount:
            yield FieldViolation(
                name,
                f"is {_shown(minor, currency)} of the least amount that can be paid,"
                f" {_shown(amount, currency)}: it must not be more than the amount itself",
            )


RULES_OF_PARTS: Sequence[Rule] = (_payments_within_stripes, _payouts_in_steps, _fees_in_bounds)
OF_FEES: Sequence[Rule] = (_payments_within_stripes, _fees_in_bounds)
"""Those of the parts by which a fee is judged."""


def _least_amount(policy: Policy, currency: str) -> int:
    """The least price of a milestone with which the payer's total reaches the least payment."""
    least, step = policy.rules(currency).payment_limits.least_minor, charge_step_minor(currency)

    def charged_minor(amount_minor: int) -> int:
        return policy.quote(currency, [amount_minor])[0].charged_minor

    amounts = range(step, least + step, step)
    return amounts[bisect_left(amounts, least, key=charged_minor)]


def _fees(rules: CurrencyRules) -> Iterator[tuple[str, FeeRule]]:
    yield "payer_fee", rules.payer_fee
    yield "payee_fee", rules.payee_fee


def _limits(name: str, limits: Limits, currency: str, step: int) -> Iterator[FieldViolation]:
    yield from _amount(f"{name}.least_minor", limits.least_minor, currency, step)
    yield from _amount(f"{name}.most_minor", limits.most_minor, currency, step)
    if limits.most_minor < limits.least_minor:
        problem = f"must not be less than least_minor, {_shown(limits.least_minor, currency)}"
        yield FieldViolation(f"{name}.most_minor", problem)


def _amount(path: str, minor: int, currency: str, step: int) -> Iterator[FieldViolation]:
    if not 0 <= minor <= MOST_MINOR:
        yield FieldViolation(path, f"must be from 0 to {MOST_MINOR}")
    elif minor % step:
        problem = f"must be a multiple of {step} minor units: {_shown(step, currency)}"
        yield FieldViolation(path, problem)


def _shown(minor: int, currency: str) -> str:
    return f"{minor} ({format_minor(minor, currency)})"
