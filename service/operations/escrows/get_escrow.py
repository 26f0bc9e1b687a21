"""Reads one escrow."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import GetEscrowRequest, GetEscrowResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EscrowMissing
from service.operations.escrows.messages import escrow_message
from service.runtime import Runtime


async def get_escrow(runtime: Runtime, call: Call, request: GetEscrowRequest) -> GetEscrowResponse:
    records = await runtime.find_escrow(call.tenant_id, ids.parse(request.escrow_id))
    if records is None:
        raise EscrowMissing
    return GetEscrowResponse(escrow=escrow_message(records))
