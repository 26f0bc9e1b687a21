"""What is sure to be answered about approvals: somebody else than ``orders`` asked."""

from escrow.client import new_request_id
from escrow.v1 import approval_service_pb2 as pb
from tests.service.operations.approvals.waiting import held_refund
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.marketplace import Marketplace


async def _list_approvals(market: Marketplace) -> Asked:
    await held_refund(market)
    request = pb.ListApprovalsRequest(page_size=2, filter="state = WAITING")
    return Asked("operator", request, role="operator")


async def _get_approval(market: Marketplace) -> Asked:
    approval, _ = await held_refund(market)
    return Asked("operator", pb.GetApprovalRequest(approval_id=approval.id), role="operator")


async def _approve(market: Marketplace) -> Asked:
    approval, _ = await held_refund(market)
    request = pb.ApproveRequest(
        request_id=new_request_id(),
        approval_id=approval.id,
        plan_hash=approval.plan_hash,
        reason=WHY,
    )
    return Asked("operator", request, role="operator")


async def _reject(market: Marketplace) -> Asked:
    approval, _ = await held_refund(market)
    request = pb.RejectRequest(request_id=new_request_id(), approval_id=approval.id, reason=WHY)
    return Asked("operator", request, role="operator")


REQUESTS: Requests = {
    "ListApprovals": _list_approvals,
    "GetApproval": _get_approval,
    "Approve": _approve,
    "Reject": _reject,
}
