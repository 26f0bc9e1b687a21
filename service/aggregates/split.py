"""A milestone's price among its payees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from service.domain.errors import FieldViolation
from service.domain.money import split_pro_rata
from service.domain.records.escrow import Milestone, MilestonePayee
from service.store.tables import EscrowRecords

WHOLE_BASIS_POINTS = 10_000


class Share(NamedTuple):
    """What somebody gets of a price: basis points of it, an amount, or, with neither, the rest."""

    payee_id: UUID
    basis_points: int | None
    amount_minor: int | None


def price_shares(
    price_minor: int, shares: Sequence[Share], step_minor: int
) -> list[int] | FieldViolation:
    """What each gets of a price, by largest remainder; they add up to it exactly. Or what is wrong
    with the shares, its field below theirs.

    Amounts come first. Basis points are of the whole price.
    """
    if problem := _problem(shares):
        return problem
    fixed_minor = sum(share.amount_minor or 0 for share in shares)
    left_minor = price_minor - fixed_minor
    # In 1/10,000 of a minor unit; what is not given to anybody is for who gets the rest.
    weights = [price_minor * (share.basis_points or 0) for share in shares]
    rest = left_minor * WHOLE_BASIS_POINTS - sum(weights)
    of_rest = next((place for place, share in enumerate(shares) if _is_rest(share)), None)
    if rest < 0 or (rest > 0 and of_rest is None):
        return FieldViolation(
            "", "must add up to the price: give one payee neither of both, for the rest"
        )
    if of_rest is not None:
        weights[of_rest] = rest
    pooled = split_pro_rata(left_minor // step_minor, weights) if left_minor else [0] * len(shares)
    amounts = [
        share.amount_minor or part * step_minor for share, part in zip(shares, pooled, strict=True)
    ]
    if 0 in amounts:
        return FieldViolation(f"[{amounts.index(0)}]", "comes to nothing of this price")
    return amounts


def fee_shares(fee_minor: int, amounts_minor: Sequence[int], step_minor: int) -> list[int]:
    """What of a fee each part of a price bears, in proportion to the parts."""
    steps = split_pro_rata(fee_minor // step_minor, amounts_minor)
    return [each * step_minor for each in steps]


def _problem(shares: Sequence[Share]) -> FieldViolation | None:
    for place, share in enumerate(shares):
        if share.basis_points is not None and share.amount_minor is not None:
            return FieldViolation(f"[{place}]", "must have one of basis_points and amount_minor")
        if any(each.payee_id == share.payee_id for each in shares[:place]):
            return FieldViolation(f"[{place}].payee_id", "must be another than those before")
        if _is_rest(share) and any(map(_is_rest, shares[:place])):
            problem = "must have basis_points or amount_minor: one payee can get the rest"
            return FieldViolation(f"[{place}]", problem)
    return None


def _is_rest(share: Share) -> bool:
    return share.basis_points is None and share.amount_minor is None


def payees_of(records: EscrowRecords, milestone_id: UUID) -> list[MilestonePayee]:
    """The payees of a milestone in their order; nobody where the escrow's payee gets all of it."""
    return [each for each in records.milestone_payees if each.milestone_id == milestone_id]


def divide(
    records: EscrowRecords,
    milestone: Milestone,
    amount_minor: int,
    step_minor: int,
    payee_id: UUID | None = None,
) -> list[tuple[MilestonePayee | None, int]]:
    """So much of what is held, payee by payee: pro rata of what is left of each part, by largest
    remainder. So each part ends exactly when all of it has gone. Of ``payee_id`` alone, if given.

    One part for nobody where the milestone has one payee.
    """
    payees = payees_of(records, milestone.milestone_id)
    if not payees:
        return [(None, amount_minor)]
    theirs = [each for each in payees if payee_id in (None, each.payee_id)]
    weights = [each.left_minor // step_minor for each in theirs]
    parts = split_pro_rata(amount_minor // step_minor, weights)
    divided: list[tuple[MilestonePayee | None, int]] = [
        (to, part * step_minor) for to, part in zip(theirs, parts, strict=True) if part
    ]
    return divided or [(theirs[0], 0)]
