"""Refunds that wait for a second person."""

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import approval_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.domain.policy import ApprovalLimits, Periods, Policy
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.policies.catalogue import harmless
from tests.service.operations.policies.policies import apply
from tests.service.operations.refunds.money import refund_request

ASKER = "shop"
LIMITS = ApprovalLimits(
    refunds_minor=50_00, write_offs_minor=10_00, redirections_minor=0, repairs_minor=0
)


async def limit(market: Marketplace, limits: ApprovalLimits = LIMITS, hours: int = 72) -> None:
    """The tenant has these limits in USD from now on."""
    policy = Policy(
        harmless().currencies,
        periods=Periods(approval_hours=hours),
        approvals={"USD": limits} if limits != ApprovalLimits() else {},
    )
    await apply(market, policy)


async def unlimit(market: Marketplace) -> None:
    await apply(market, harmless())


def asker(market: Marketplace, caller: str = ASKER) -> EscrowClient:
    return market.client("payee", caller=caller)


def approver(market: Marketplace, caller: str = "kim@example.com") -> EscrowClient:
    return market.client("operator", role="finance", caller=caller)


async def ask_above(
    market: Marketplace, request: refund_pb.RefundMilestoneRequest, caller: str = ASKER
) -> pb.Approval:
    """The approval for which the refund waits now."""
    async with market.refuses("APPROVAL_NEEDED", writes=True) as refusal:
        await asker(market, caller).refunds.RefundMilestone(request)
    found = pb.GetApprovalRequest(approval_id=refusal.metadata["approval_id"])
    approval = (await approver(market).approvals.GetApproval(found)).approval
    assert refusal.metadata["plan_hash"] == approval.plan_hash
    assert refusal.metadata["request_id"] == request.request_id
    return approval


async def held_refund(
    market: Marketplace, escrow: escrow_pb.Escrow | None = None, amount_minor: int | None = 20_00
) -> tuple[pb.Approval, refund_pb.RefundMilestoneRequest]:
    """A refund that waits, of a tenant that has no limit any more: what waits goes on waiting. What
    its plan says is a round amount, which is nobody's secret (isolation/secrets.py).
    """
    escrow = escrow or await market.funded_escrow()
    request = refund_request(escrow, amount_minor)
    await limit(market, ApprovalLimits(refunds_minor=0))
    approval = await ask_above(market, request)
    await unlimit(market)
    return approval, request


def approval_of(approval: pb.Approval, **changes: str) -> pb.ApproveRequest:
    fields = {
        "request_id": new_request_id(),
        "approval_id": approval.id,
        "plan_hash": approval.plan_hash,
        "reason": "I have seen the parcel.",
    }
    return pb.ApproveRequest(**fields | changes)


def rejection_of(approval: pb.Approval) -> pb.RejectRequest:
    return pb.RejectRequest(
        request_id=new_request_id(), approval_id=approval.id, reason="It is whole."
    )


async def read_approval(market: Marketplace, approval: pb.Approval) -> pb.Approval:
    request = pb.GetApprovalRequest(approval_id=approval.id)
    return (await approver(market).approvals.GetApproval(request)).approval
