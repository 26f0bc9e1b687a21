"""The end of a dispute: who gets what of what was frozen, in the commit that ends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import UUID

from escrow.v1 import refund_service_pb2 as refund_pb
from service.aggregates.blockers import freezes_of, of_freezes
from service.aggregates.dispute import close
from service.aggregates.disputed import missing_minor
from service.aggregates.escrow import EscrowCase
from service.aggregates.freeze import let_move
from service.aggregates.refund import parts_of, refund_requested
from service.aggregates.refund_plan import check_refundable, plan_disputed
from service.aggregates.split import payees_of
from service.domain import ids
from service.domain.dispute import reason_of_refund
from service.domain.errors import DisputeBlocked
from service.domain.records.dispute import Dispute
from service.domain.records.escrow import Milestone
from service.domain.records.freeze import FreezeReason
from service.domain.records.refund import Refund
from service.domain.records.release import Release
from service.domain.states.dispute import DisputeEvent
from service.domain.states.milestone import MilestoneEvent
from service.effects import create_refund
from service.operations.disputes.split import check_split
from service.operations.escrows.release_part import release_part
from service.operations.refunds.messages import refund_message

ME = MilestoneEvent


def end_dispute(
    case: EscrowCase,
    dispute: Dispute,
    event: DisputeEvent,
    to_payer_minor: int,
    among: Mapping[UUID, int] | None = None,
    *,
    why: str = "",
) -> Refund | None:
    """Releases the payees' part (postings 5, 5p) and refunds the payer's (9a). ``among`` says what
    each payee gets; else it is in proportion to what is held for each.

    Raises:
        WrongState, PartyNotAllowed, PaymentNotSettled, PaymentDisputed.
        DisputeBlocked: others have frozen some of it. SplitDoesNotAddUp, ShareAboveHeld.
    """
    milestone = case.milestone(dispute.milestone_id)
    _check_free(case, dispute, milestone)
    to_payees_minor = dispute.left_minor - to_payer_minor
    check_split(case, dispute, to_payer_minor, among)
    if to_payer_minor:
        check_refundable(case, case.payment(milestone.payment_id))
    close(case, dispute, event)
    before = len(case.records.releases)
    if to_payees_minor:
        several = among if payees_of(case.records, milestone.milestone_id) else None
        release_part(
            *(case, milestone, to_payees_minor),
            whole=ME.DISPUTE_RELEASE,
            part=ME.DISPUTE_RELEASE_PART,
            among=several,
        )
    refund = _refund(case, dispute, milestone, to_payer_minor) if to_payer_minor else None
    _write_down(case, dispute, to_payer_minor, case.records.releases[before:], why)
    assert milestone.payment_id is not None  # held money came by a payment
    let_move(case, milestone.payment_id)
    return refund


def refunded(case: EscrowCase, refund: Refund | None) -> refund_pb.Refund | None:
    """What goes back to the payer, as a message."""
    if refund is None:
        return None
    settled_currency = case.payment(refund.payment_id).settled_currency or ""
    return refund_message(refund, parts_of(case, refund), settled_currency)


def _check_free(case: EscrowCase, dispute: Dispute, milestone: Milestone) -> None:
    if not missing_minor(case.records, dispute):
        return
    of_it = freezes_of(milestone, case.records)
    others = [each for each in of_it if each.reason is not FreezeReason.DISPUTE]
    raise DisputeBlocked(list(of_freezes(others, case.records)), dispute_id=dispute.public_id)


def _refund(case: EscrowCase, dispute: Dispute, milestone: Milestone, price_minor: int) -> Refund:
    parts = plan_disputed(case, milestone, price_minor, case.unit.new_id())
    payment = case.payment(milestone.payment_id)
    reason = reason_of_refund(dispute)
    refund = refund_requested(
        *(case, payment, parts, reason, parts[0].refund_id),
        events=(ME.DISPUTE_REFUND, ME.DISPUTE_REFUND_REST, ME.DISPUTE_REFUND_PART),
    )
    create_refund.plan(case, refund)
    return refund


def _write_down(
    case: EscrowCase,
    dispute: Dispute,
    to_payer_minor: int,
    releases: Iterable[Release],
    why: str,
) -> None:
    dispute.to_payer_minor = to_payer_minor
    to_payees: dict[str, int] = {}
    for each in releases:  # a payee can have two parts, one of them redirected
        payee_id = ids.show(ids.PAYEE, each.payee_id)
        to_payees[payee_id] = to_payees.get(payee_id, 0) + each.amount_minor
    dispute.to_payees = to_payees
    dispute.decided_by, dispute.decision = case.unit.call.caller, why or None
