"""Reads one escrow."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import GetEscrowRequest, GetEscrowResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EscrowMissing
from service.operations.house import House
from service.operations.messages import escrow_message
from service.store.escrows import read_escrow


async def get_escrow(house: House, call: Call, request: GetEscrowRequest) -> GetEscrowResponse:
    records = await read_escrow(house.pool, call.tenant_id, ids.read(request.escrow_id))
    if records is None:
        raise EscrowMissing
    return GetEscrowResponse(escrow=escrow_message(records))
