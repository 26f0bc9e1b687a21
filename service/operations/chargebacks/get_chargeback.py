"""Reads a chargeback."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.operations.chargebacks.existing import existing_chargeback
from service.operations.chargebacks.messages import chargeback_message
from service.runtime import Runtime


async def get_chargeback(
    runtime: Runtime, call: Call, request: pb.GetChargebackRequest
) -> pb.GetChargebackResponse:
    """Raises ChargebackMissing."""
    chargeback_id = ids.parse(request.chargeback_id)
    found = await existing_chargeback(runtime, call.tenant_id, chargeback_id)
    return pb.GetChargebackResponse(chargeback=chargeback_message(found))
