"""Reads a dispute."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import DisputeMissing
from service.operations.disputes.messages import row_message
from service.runtime import Runtime
from service.store.disputes import find_dispute


async def get_dispute(
    runtime: Runtime, call: Call, request: pb.GetDisputeRequest
) -> pb.GetDisputeResponse:
    """Raises DisputeMissing."""
    found = await find_dispute(runtime.pool, call.tenant_id, ids.parse(request.dispute_id))
    if found is None:
        raise DisputeMissing
    return pb.GetDisputeResponse(dispute=row_message(found))
