"""The policy: versioned data, pinned to an escrow when it is created.

To change a rule, add a version; never edit one that escrows are pinned to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.domain.errors import AmountBeyondLimits
from service.domain.money import CURRENCIES, format_minor, split_pro_rata


@dataclass(frozen=True, slots=True)
class FeeRule:
    """A share in basis points (1/100 of a percent), rounded half up to the minor unit."""

    basis_points: int

    def fee_minor(self, amount_minor: int) -> int:
        return (amount_minor * self.basis_points + 5_000) // 10_000


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one version. Limits are in major units (dollars, yen x ``scale``)."""

    version: int
    payer_fee: FeeRule
    payee_fee: FeeRule
    least_major: int
    most_major: int
    scale: Mapping[str, int]  # for currencies whose major unit is worth little

    def limits_minor(self, currency: str) -> tuple[int, int]:
        """The least and the most of one payment or withdrawal, in minor units."""
        unit = 10 ** CURRENCIES[currency] * self.scale.get(currency, 1)
        return self.least_major * unit, self.most_major * unit

    def check_limits(self, amount_minor: int, currency: str, *, all_there_is: bool = False) -> None:
        """The least does not hold for all that there is: it would be shut in for ever.

        Raises:
            AmountBeyondLimits.
        """
        least, most = self.limits_minor(currency)
        if not (1 if all_there_is else least) <= amount_minor <= most:
            raise AmountBeyondLimits(
                f"{format_minor(amount_minor, currency)} is outside the limits of one payment or"
                f" withdrawal: {format_minor(least, currency)} to {format_minor(most, currency)}.",
                amount_minor=amount_minor,
                least_minor=least,
                most_minor=most,
                currency=currency,
            )


POLICIES: Mapping[int, Policy] = {
    1: Policy(
        version=1,
        payer_fee=FeeRule(500),
        payee_fee=FeeRule(2_000),
        least_major=10,
        most_major=10_000,
        scale={"JPY": 100, "KRW": 1_000, "HUF": 100, "TWD": 10, "CLP": 1_000, "VND": 10_000}
        | {"IDR": 10_000, "COP": 1_000, "UGX": 1_000, "ISK": 100, "PYG": 1_000},
    ),
}
CURRENT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Fees:
    """What one amount costs each party, in minor units."""

    amount_minor: int
    payer_fee_minor: int
    payee_fee_minor: int


def quote(policy: Policy, amounts_minor: Sequence[int], *, step_minor: int = 1) -> list[Fees]:
    """The fees of each milestone. They are taken of the sum and split, so no cent gets lost.

    ``step_minor`` is the smallest amount that the currency can be charged by; amounts are multiples
    of it, and so are the fees.
    """
    total_steps = sum(amounts_minor) // step_minor
    legs = [
        [share * step_minor for share in split_pro_rata(rule.fee_minor(total_steps), amounts_minor)]
        for rule in (policy.payer_fee, policy.payee_fee)
    ]
    return [Fees(*amounts) for amounts in zip(amounts_minor, *legs, strict=True)]


def fee_part(
    fee_minor: int, amount_minor: int, before_minor: int, part_minor: int, *, step_minor: int = 1
) -> int:
    """The share of a fee that goes with ``part_minor`` of an amount after ``before_minor`` of it.

    Shares are differences of one rounded-down running total, so whatever the parts are, they add
    up to the fee exactly when the whole amount has gone.
    """
    steps = fee_minor // step_minor
    after = (before_minor + part_minor) * steps // amount_minor
    return (after - before_minor * steps // amount_minor) * step_minor
