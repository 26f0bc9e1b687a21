"""What is sure to be answered about a payout."""

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.marketplace import Marketplace, usd


async def _request_payout(market: Marketplace) -> Asked:
    payee = await market.paid_payee()
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(),
        reason=WHY,
        payee_id=payee.id,
        amount=usd(3_000),
        etag=payee.etag,
    )
    return Asked("payee", request)


async def _get_payout(market: Marketplace) -> Asked:
    requested = await _request_payout(market)
    payout = (await market.payee.parties.RequestPayout(requested.request)).payout
    return Asked("", party_pb.GetPayoutRequest(payout_id=payout.id))


async def _list_payouts(market: Marketplace) -> Asked:
    requested = (await _request_payout(market)).request
    await market.payee.parties.RequestPayout(requested)
    return Asked("", party_pb.ListPayoutsRequest(payee_id=requested.payee_id, page_size=10))


REQUESTS: Requests = {
    "RequestPayout": _request_payout,
    "GetPayout": _get_payout,
    "ListPayouts": _list_payouts,
}
