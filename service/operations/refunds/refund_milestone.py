"""Refunds a milestone, whole or in part."""

from __future__ import annotations

from escrow.v1 import refund_service_pb2 as pb
from service.aggregates.escrow import open_case
from service.aggregates.neutral import check_neutral
from service.aggregates.refund import refund_requested
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PlanChanged
from service.domain.unit import UnitOfWork
from service.effects import create_refund
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.payments.settled import once_settled
from service.operations.refunds.messages import plan_message, refund_message
from service.operations.refunds.plan_refund import parts_asked_for
from service.runtime import Runtime


async def refund_milestone(
    runtime: Runtime, call: Call, request: pb.RefundMilestoneRequest
) -> pb.RefundMilestoneResponse:
    """Postings 9a, 10 and 11; a worker sends the refund to Stripe.

    Raises:
        EscrowMissing, MilestoneMissing, ReleaseMissing, StaleEtag, WrongState, PartyNotAllowed,
        AmountNotMultiple, AmountFrozen, PaymentDisputed, RefundAboveLeft.
        PlanChanged: it would not do what the hash names.
        ResolverIsParty: an operator who has acted for a party in a dispute of it.
        PaymentNotSettled, StripeUnavailable.
    """
    return await once_settled(runtime, call, lambda: _refund(runtime, call, request))


@mutation(pb.RefundMilestoneResponse, of="refund_milestone")
async def _refund(
    runtime: Runtime, unit: UnitOfWork, request: pb.RefundMilestoneRequest
) -> pb.RefundMilestoneResponse:
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    check_neutral(case)
    parts = parts_asked_for(case, request)
    if request.plan_hash:
        plan = plan_message(parts, case.escrow.currency)
        if request.plan_hash != plan.hash:
            raise PlanChanged(plan_hash=plan.hash)
    payment = case.payment(case.milestone(ids.parse(request.milestone_id)).payment_id)
    unit.decided()
    refund = refund_requested(case, payment, parts, request.reason, parts[0].refund_id)
    create_refund.plan(case, refund)
    return await runtime.finish(
        unit,
        lambda: pb.RefundMilestoneResponse(
            refund=refund_message(refund, parts, payment.settled_currency or ""),
            escrow=escrow_message(case.records),
        ),
    )
