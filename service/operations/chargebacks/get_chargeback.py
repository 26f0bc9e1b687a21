"""Reads a chargeback."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import ChargebackMissing
from service.operations.chargebacks.messages import chargeback_message
from service.runtime import Runtime
from service.store.chargebacks import find_chargeback


async def get_chargeback(
    runtime: Runtime, call: Call, request: pb.GetChargebackRequest
) -> pb.GetChargebackResponse:
    """Raises ChargebackMissing."""
    chargeback_id = ids.parse(request.chargeback_id)
    found = await find_chargeback(runtime.pool, call.tenant_id, chargeback_id)
    if found is None:
        raise ChargebackMissing
    return pb.GetChargebackResponse(chargeback=chargeback_message(found))
