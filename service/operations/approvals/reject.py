"""A second person rejects what waits, or who asked takes it back."""

from __future__ import annotations

from escrow.v1 import approval_service_pb2 as pb
from service.domain.states.approval import ApprovalEvent
from service.domain.unit import UnitOfWork
from service.operations.approvals.open_approval import open_approval
from service.operations.held.hold import decide
from service.operations.held.messages import approval_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(pb.RejectResponse)
async def reject(
    runtime: Runtime, unit: UnitOfWork, request: pb.RejectRequest
) -> pb.RejectResponse:
    """Raises ApprovalMissing, ApprovalExpired; WrongState: it was decided."""
    approval = await open_approval(runtime, unit, request.approval_id)
    decide(unit, approval, ApprovalEvent.REJECT)
    return await runtime.save(
        unit, pb.RejectResponse(approval=approval_message(approval, unit.now))
    )
