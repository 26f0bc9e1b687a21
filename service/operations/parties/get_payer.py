"""Reads a payer, by id or by reference."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import GetPayerRequest, GetPayerResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayerMissing
from service.operations.parties.messages import payer_message
from service.operations.parties.named import check_named_once
from service.runtime import Runtime
from service.store.parties import find_payer, find_payer_by_reference


async def get_payer(runtime: Runtime, call: Call, request: GetPayerRequest) -> GetPayerResponse:
    """Raises PayerMissing, InvalidField."""
    named = check_named_once("payer_id", request.payer_id, request.reference)
    if request.payer_id:
        payer = await find_payer(runtime.pool, call.tenant_id, ids.parse(request.payer_id))
    else:
        payer = await find_payer_by_reference(runtime.pool, call.tenant_id, request.reference)
    if payer is None:
        raise PayerMissing(**named)
    return GetPayerResponse(payer=payer_message(payer))
