"""Reads a payer."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import GetPayerRequest, GetPayerResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayerMissing
from service.operations.parties.messages import payer_message
from service.runtime import Runtime
from service.store.parties import find_payer


async def get_payer(runtime: Runtime, call: Call, request: GetPayerRequest) -> GetPayerResponse:
    payer = await find_payer(runtime.pool, call.tenant_id, ids.parse(request.payer_id))
    if payer is None:
        raise PayerMissing
    return GetPayerResponse(payer=payer_message(payer))
