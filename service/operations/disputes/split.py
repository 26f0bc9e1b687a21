"""What the payer and each payee get of what is disputed: offered, accepted or decided."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.escrow import EscrowCase
from service.aggregates.split import payees_of
from service.domain import ids
from service.domain.errors import (
    FieldViolation,
    InvalidField,
    ShareAboveHeld,
    SplitDoesNotAddUp,
    check_multiples,
)
from service.domain.money import charge_step_minor
from service.domain.records.dispute import Dispute
from service.domain.records.escrow import Milestone


def named_payees(
    request: pb.ProposeDisputeSplitRequest | pb.ResolveDisputeRequest, currency: str
) -> dict[UUID, int] | None:
    """What each payee gets as the request says; None where it names nobody.

    Raises:
        InvalidField: one is named twice. AmountNotMultiple.
    """
    amounts = {"to_payer_minor": request.to_payer_minor}
    amounts |= {f"payees[{n}].amount_minor": p.amount_minor for n, p in enumerate(request.payees)}
    check_multiples(amounts, charge_step_minor(currency), currency)
    among = {ids.parse(each.payee_id): each.amount_minor for each in request.payees}
    if len(among) < len(request.payees):
        raise InvalidField(FieldViolation("payees", "must name each payee once"))
    return among or None


def check_split(
    case: EscrowCase, dispute: Dispute, to_payer_minor: int, among: Mapping[UUID, int] | None
) -> None:
    """Of what is left of a dispute. ``among`` is None where the payees' part is divided by theirs.

    Raises:
        SplitDoesNotAddUp: it is more or less than that.
        ShareAboveHeld: it is more than what is held for a payee, of all their parts.
    """
    to_payees_minor = dispute.left_minor - to_payer_minor
    given_minor = max(to_payees_minor, 0) if among is None else sum(among.values())
    if given_minor != to_payees_minor:
        raise SplitDoesNotAddUp(
            dispute_id=dispute.public_id,
            left_minor=dispute.left_minor,
            found_minor=to_payer_minor + given_minor,
            currency=dispute.currency,
        )
    held = _held(case, case.milestone(dispute.milestone_id))
    for payee_id, amount_minor in (among or {}).items():
        if amount_minor > held.get(payee_id, 0):
            raise ShareAboveHeld(
                payee_id=ids.show(ids.PAYEE, payee_id),
                amount_minor=amount_minor,
                held_minor=held.get(payee_id, 0),
                currency=dispute.currency,
            )


def _held(case: EscrowCase, milestone: Milestone) -> Mapping[UUID, int]:
    """What is held for each payee."""
    held: dict[UUID, int] = {}
    for each in payees_of(case.records, milestone.milestone_id):
        held[each.payee_id] = held.get(each.payee_id, 0) + each.left_minor
    return held or {case.escrow.payee_id: milestone.held_minor}
