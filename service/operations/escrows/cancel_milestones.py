"""Cancels milestones: what is not paid for ends, and what is held goes back to its payer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from service.aggregates.deadlines import funded_at
from service.aggregates.escrow import EscrowCase
from service.aggregates.refund import refund_requested
from service.aggregates.refund_plan import plan_held
from service.domain import ids
from service.domain.blocker import Blocker, Rule
from service.domain.call import Party
from service.domain.cancellation import CANCELABLE, Asked, what_blocks
from service.domain.errors import CancellationBlocked, FieldViolation, InvalidField
from service.domain.records.escrow import Milestone
from service.domain.records.refund import Refund
from service.domain.states.milestone import MILESTONE, MilestoneEvent, MilestoneState
from service.effects import create_refund

ME = MilestoneEvent


def chosen_to_cancel(case: EscrowCase, milestone_ids: Sequence[str]) -> list[Milestone]:
    """Those that are named, or all that are not at their end; what has ended stays as it is.

    Raises:
        MilestoneMissing, PartyNotAllowed. InvalidField: one is named twice.
        WrongState: one that is named is at its end, or all are.
    """
    if len(set(milestone_ids)) < len(milestone_ids):
        raise InvalidField(FieldViolation("milestone_ids", "must name each milestone once"))
    chosen = [case.milestone(ids.parse(each)) for each in milestone_ids]
    if not chosen:
        listed = case.records.milestones
        chosen = [each for each in listed if each.state in CANCELABLE] or listed
    for milestone in chosen:
        unpaid = milestone.state is MilestoneState.AWAITING_FUNDS
        event = ME.CANCEL_PAID if milestone.state in CANCELABLE and not unpaid else ME.CANCEL
        MILESTONE.follow(milestone.public_id, milestone.state, event, case.unit.party)
    return chosen


def check_may_cancel(case: EscrowCase, milestones: Iterable[Milestone]) -> None:
    """Raises CancellationBlocked: this party cannot by itself, or not any more."""
    blockers = []
    for milestone in milestones:
        paid_at = funded_at(case.records, milestone)
        asked = Asked(milestone, paid_at, case.policy.periods, case.unit.now)
        if why := what_blocks(case.unit.party, asked):
            blockers.append(_outside_window(milestone, why))
    if blockers:
        raise CancellationBlocked(blockers, milestone_id=blockers[0].subject)


def _outside_window(milestone: Milestone, why: str) -> Blocker:
    clears = {
        Party.PAYER: ("RequestCancellation",),
        Party.PAYEE: ("CancelEscrow",),
        Party.OPERATOR: ("CancelEscrow",),
    }
    return Blocker(
        *(milestone.public_id, why, Rule.CANCELLATION_WINDOW, clears, milestone.milestone_id)
    )


def cancel_milestones(
    case: EscrowCase, milestones: Sequence[Milestone], reason: str
) -> list[Refund]:
    """Posting 9a for all that is held of them, the payer's fee with it: one refund for each payment
    that has paid for some of them.

    Raises:
        WrongState, PartyNotAllowed, AmountFrozen, PaymentDisputed, PaymentNotSettled.
    """
    by_payment: dict[UUID, list[Milestone]] = {}
    for milestone in milestones:
        if milestone.state is MilestoneState.AWAITING_FUNDS:
            case.advance(milestone, ME.CANCEL)
        else:
            assert milestone.payment_id is not None  # held money came by a payment
            by_payment.setdefault(milestone.payment_id, []).append(milestone)
    planned = []
    for payment_id, paid in by_payment.items():
        payment = case.payment(payment_id)
        planned.append((payment, plan_held(case, payment, paid, case.unit.new_id())))
    case.unit.decided()
    refunds = []
    for payment, parts in planned:
        refund = refund_requested(
            *(case, payment, parts, reason or "canceled", parts[0].refund_id),
            events=(ME.CANCEL_PAID, ME.CANCEL_REST, ME.REFUND_PART),
        )
        create_refund.plan(case, refund)
        refunds.append(refund)
    return refunds
