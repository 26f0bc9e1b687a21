"""Reads an approval."""

from __future__ import annotations

from escrow.v1 import approval_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import ApprovalMissing
from service.operations.held.messages import approval_message
from service.runtime import Runtime
from service.store.approvals import find_approval


async def get_approval(
    runtime: Runtime, call: Call, request: pb.GetApprovalRequest
) -> pb.GetApprovalResponse:
    """Raises ApprovalMissing."""
    approval = await find_approval(runtime.pool, call.tenant_id, ids.parse(request.approval_id))
    if approval is None:
        raise ApprovalMissing
    return pb.GetApprovalResponse(approval=approval_message(approval, runtime.clock()))
