"""What is sure to be answered about an escrow and its milestones."""

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.movements.strangers import charge_of, dispute
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.marketplace import Marketplace, acceptance, escrow_request


async def _create_escrow(market: Marketplace) -> Asked:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(6_000, 4_000, payer=payer, payee=payee)
    request.reason = WHY
    request.metadata["order"] = "A-17"
    first = request.milestones[0]
    first.due_time.FromJsonString("2099-12-31T00:00:00Z")
    first.payees.add(payee_id=payee.id, basis_points=2_500)
    first.payees.add(payee_id=(await market.new_payee(active=False)).id)
    first.line_items.add(name="Poster", quantity=2, unit_amount_minor=3_000, sku="P-1")
    return Asked("", request)


async def _get_escrow(market: Marketplace) -> Asked:
    return Asked("", pb.GetEscrowRequest(escrow_id=(await market.new_escrow()).id))


async def _list_escrows(market: Marketplace) -> Asked:
    return Asked("", pb.ListEscrowsRequest(page_size=2, filter="state = AWAITING_FUNDS"))


async def _quote_fees(market: Marketplace) -> Asked:
    return Asked("", pb.QuoteFeesRequest(currency="USD", amounts_minor=[6_000, 4_000]))


async def _submit_delivery(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    request = pb.SubmitDeliveryRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="It is in the shared folder.",
        etag=escrow.etag,
    )
    return Asked("payee", request)


async def _request_changes(market: Marketplace) -> Asked:
    escrow = await market.delivered_escrow()
    request = pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="In blue, please.",
        etag=escrow.etag,
    )
    return Asked("payer", request)


async def _accept_delivery(market: Marketplace) -> Asked:
    escrow = await market.delivered_escrow()
    request = acceptance(escrow)
    request.etag = escrow.etag
    return Asked("payer", request)


async def _release_milestone(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        reason=WHY,
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=2_500,
        etag=escrow.etag,
    )
    return Asked("payer", request)


async def _place_freeze(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    request = pb.PlaceFreezeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=2_500,
        freeze_reason=pb.FREEZE_REASON_RISK,
        reason=WHY,
        etag=escrow.etag,
    )
    return Asked("operator", request, role="operator")


async def _lift_freeze(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    await dispute(market, await charge_of(market, escrow))
    await market.sweep()
    frozen = await market.read(escrow)
    request = pb.LiftFreezeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        freeze_id=frozen.milestones[0].freezes[0].id,
        reason="The bank was wrong.",
        etag=frozen.etag,
    )
    return Asked("operator", request, role="operator")


async def _redirect_share(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    other = await market.new_payee(active=False)
    request = pb.RedirectShareRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        payee_id=escrow.payee_id,
        to_payee_id=other.id,
        reason=WHY,
        etag=escrow.etag,
    )
    return Asked("operator", request, role="operator")


async def _cancel_escrow(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = pb.CancelEscrowRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        reason="Found another.",
        etag=escrow.etag,
        milestone_ids=[escrow.milestones[0].id],
    )
    return Asked("payer", request)


async def _list_timeline(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    return Asked("", pb.ListTimelineRequest(escrow_id=escrow.id, page_size=10))


async def _watch_escrow(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    return Asked("", pb.WatchEscrowRequest(escrow_id=escrow.id))


REQUESTS: Requests = {
    "CreateEscrow": _create_escrow,
    "GetEscrow": _get_escrow,
    "ListEscrows": _list_escrows,
    "QuoteFees": _quote_fees,
    "SubmitDelivery": _submit_delivery,
    "RequestChanges": _request_changes,
    "AcceptDelivery": _accept_delivery,
    "ReleaseMilestone": _release_milestone,
    "CancelEscrow": _cancel_escrow,
    "PlaceFreeze": _place_freeze,
    "LiftFreeze": _lift_freeze,
    "RedirectShare": _redirect_share,
    "ListTimeline": _list_timeline,
    "WatchEscrow": _watch_escrow,
}
