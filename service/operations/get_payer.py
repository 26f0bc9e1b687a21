"""Reads a payer."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import GetPayerRequest, GetPayerResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayerMissing
from service.operations.house import House
from service.operations.messages import payer_message
from service.store.parties import read_payer


async def get_payer(house: House, call: Call, request: GetPayerRequest) -> GetPayerResponse:
    payer = await read_payer(house.pool, call.tenant_id, ids.read(request.payer_id))
    if payer is None:
        raise PayerMissing
    return GetPayerResponse(payer=payer_message(payer))
