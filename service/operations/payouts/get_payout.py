"""Reads a payout."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import GetPayoutRequest, GetPayoutResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayoutMissing
from service.operations.payouts.messages import payout_message
from service.runtime import Runtime
from service.store.parties import find_payout


async def get_payout(runtime: Runtime, call: Call, request: GetPayoutRequest) -> GetPayoutResponse:
    payout = await find_payout(runtime.pool, call.tenant_id, ids.parse(request.payout_id))
    if payout is None:
        raise PayoutMissing
    return GetPayoutResponse(payout=payout_message(payout))
