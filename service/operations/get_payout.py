"""Reads a payout."""

from __future__ import annotations

from escrow.v1.party_service_pb2 import GetPayoutRequest, GetPayoutResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PayoutMissing
from service.operations.house import House
from service.operations.messages import payout_message
from service.store.parties import read_payout


async def get_payout(house: House, call: Call, request: GetPayoutRequest) -> GetPayoutResponse:
    payout = await read_payout(house.pool, call.tenant_id, ids.read(request.payout_id))
    if payout is None:
        raise PayoutMissing
    return GetPayoutResponse(payout=payout_message(payout))
