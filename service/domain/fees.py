"""Fees: what is taken of one milestone, and what of it goes with a part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FixedPer(StrEnum):
    """What a fixed part of a fee is taken once of."""

    MILESTONE = "milestone"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class FeeRule:
    """A share in basis points (1/100 of a percent), rounded half up to what the currency can be
    charged by, and a fixed part.

    ``least_minor`` and ``most_minor`` bound the fee of each milestone; None is no bound. A fixed
    part per payment comes on top of that, with the payment's first milestone.
    """

    basis_points: int
    fixed_minor: int = 0
    fixed_per: FixedPer = FixedPer.MILESTONE
    least_minor: int = 0
    most_minor: int | None = None

    @property
    def per_payment_minor(self) -> int:
        """What is taken once of each payment."""
        return self.fixed_minor if self.fixed_per is FixedPer.PAYMENT else 0

    def fee_minor(self, amount_minor: int, *, step_minor: int = 1) -> int:
        """The fee of a milestone of this amount, which is a multiple of ``step_minor``."""
        steps = (amount_minor // step_minor * self.basis_points + 5_000) // 10_000
        fixed = self.fixed_minor if self.fixed_per is FixedPer.MILESTONE else 0
        fee = max(steps * step_minor + fixed, self.least_minor)
        return fee if self.most_minor is None else min(fee, self.most_minor)


@dataclass(frozen=True, slots=True)
class Fees:
    """What one amount costs each party, in minor units."""

    amount_minor: int
    payer_fee_minor: int
    payee_fee_minor: int

    @property
    def charged_minor(self) -> int:
        """What the payer pays for it."""
        return self.amount_minor + self.payer_fee_minor


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
