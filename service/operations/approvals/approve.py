"""A second person approves what waits: it is done as it was asked for, in the same commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from google.protobuf.message import Message

from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import approval_service_pb2 as pb
from escrow.v1 import chargeback_service_pb2 as chargeback_pb
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.domain.call import Approved, Call
from service.domain.errors import (
    AlreadyExists,
    ApprovalPlanChanged,
    ApproverIsRequester,
    Invalid,
    Missing,
    NotAllowed,
    PlanChanged,
    Precondition,
    StaleEtag,
    WrongState,
)
from service.domain.records.approval import Approval
from service.domain.unit import UnitOfWork
from service.operations.agreements.approve_cancellation import approve_cancellation
from service.operations.approvals.open_approval import open_approval
from service.operations.chargebacks.settle_chargeback import settle_chargeback
from service.operations.disputes.resolve_dispute import resolve_dispute
from service.operations.escrows.cancel_escrow import cancel_escrow
from service.operations.escrows.lift_freeze import lift_freeze
from service.operations.escrows.redirect_share import redirect_share
from service.operations.escrows.release_milestone import release_milestone
from service.operations.mutation import mutation
from service.operations.operators.apply_suspense import apply_suspense
from service.operations.operators.reject_effect import reject_effect
from service.operations.operators.settle_effect import settle_effect
from service.operations.refunds.adopt_refund import adopt_refund
from service.operations.refunds.adopt_reversal import adopt_reversal
from service.operations.refunds.refund_milestone import refund_milestone
from service.operations.refunds.refund_suspense import refund_suspense
from service.operations.refunds.resolve_refund import resolve_refund
from service.operations.refunds.write_off_receivable import write_off_receivable
from service.runtime import Runtime


class Held(NamedTuple):
    """An operation that may be held, and the message that asks for it."""

    asked: type[Message]
    run: Callable[[Runtime, Call, Any], Awaitable[Message]]


# One line for each method that the contract puts under a limit: a test compares them.
HELD: Mapping[str, Held] = {
    "refund_milestone": Held(refund_pb.RefundMilestoneRequest, refund_milestone),
    "refund_suspense": Held(refund_pb.RefundSuspenseRequest, refund_suspense),
    "adopt_refund": Held(refund_pb.AdoptRefundRequest, adopt_refund),
    "adopt_reversal": Held(refund_pb.AdoptReversalRequest, adopt_reversal),
    "resolve_refund": Held(refund_pb.ResolveRefundRequest, resolve_refund),
    "write_off_receivable": Held(refund_pb.WriteOffReceivableRequest, write_off_receivable),
    "resolve_dispute": Held(dispute_pb.ResolveDisputeRequest, resolve_dispute),
    "settle_chargeback": Held(chargeback_pb.SettleChargebackRequest, settle_chargeback),
    "settle_effect": Held(operator_pb.SettleEffectRequest, settle_effect),
    "reject_effect": Held(operator_pb.RejectEffectRequest, reject_effect),
    "cancel_escrow": Held(escrow_pb.CancelEscrowRequest, cancel_escrow),
    "approve_cancellation": Held(agreement_pb.ApproveCancellationRequest, approve_cancellation),
    "release_milestone": Held(escrow_pb.ReleaseMilestoneRequest, release_milestone),
    "lift_freeze": Held(escrow_pb.LiftFreezeRequest, lift_freeze),
    "redirect_share": Held(escrow_pb.RedirectShareRequest, redirect_share),
    "apply_suspense": Held(operator_pb.ApplySuspenseRequest, apply_suspense),
}


OF_THE_OPERATION = (
    *(Invalid, Missing, NotAllowed, StaleEtag, PlanChanged, AlreadyExists),
    Precondition,
)
"""What an operation refuses by what it was asked for, and by the state."""


@mutation(pb.ApproveResponse)
async def approve(
    runtime: Runtime, unit: UnitOfWork, request: pb.ApproveRequest
) -> pb.ApproveResponse:
    """Runs the operation that waits, as who asked for it; its commit has the decision in it.

    Raises:
        ApprovalMissing, ApprovalExpired. WrongState: it was decided.
        ApproverIsRequester: who approves is who asked.
        ApprovalPlanChanged: it would not do what the hash names.
        Refusal: what the operation itself raises, as its state allows it no more.
    """
    approval = await open_approval(runtime, unit, request.approval_id)
    if unit.call.people & frozenset(approval.asker["people"]):
        raise ApproverIsRequester(approval_id=request.approval_id, requested_by=approval.caller)
    if request.plan_hash != approval.plan_hash:
        raise ApprovalPlanChanged(approval_id=request.approval_id, plan_hash=approval.plan_hash)
    held = HELD[approval.operation]
    try:
        await held.run(runtime, _call_of(unit, approval), held.asked.FromString(approval.asked))
    except OF_THE_OPERATION as refusal:
        refusal.message += f" If it is not to be done any more, reject {approval.public_id}."
        raise
    await open_approval(runtime, unit, request.approval_id)  # Answered, with what was written
    named = approval.public_id
    says = f"What {named} waits for was done without it, below the limits meanwhile: reject it."
    raise WrongState(says, approval_id=named)


def _call_of(unit: UnitOfWork, approval: Approval) -> Call:
    """The call as who asked made it; who approves waits for its answer."""
    return replace(
        unit.call,
        caller=approval.caller,
        party=approval.party,
        key=approval.key,
        end_user=approval.asker["end_user"],
        people=frozenset(approval.asker["people"]),
        reason=approval.reason,
        may_pay=False,
        approvals=(approval.kind,),
        approved=Approved(approval.approval_id, approval.plan_hash, unit),
    )
