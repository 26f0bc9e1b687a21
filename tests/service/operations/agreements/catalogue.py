"""What is sure to be answered about agreements."""

from datetime import timedelta

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.agreements.asking import agreed, cancellation, extension, payer_asks
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.refunds.money import stocked

PAYMENT = pb.DEADLINE_KIND_PAYMENT
LONGER = timedelta(days=2)


async def _request_cancellation(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = cancellation(escrow, milestone_ids=[escrow.milestones[0].id], etag=escrow.etag)
    return Asked("payer", request)


async def _approve_cancellation(market: Marketplace) -> Asked:
    await stocked(market)
    escrow = await market.delivered_escrow()
    proposal = await payer_asks(market, escrow)
    request = agreement_pb.ApproveCancellationRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        proposal_id=proposal.id,
        reason=WHY,
        etag=(await market.read(escrow)).etag,
    )
    return Asked("payee", request)


async def _decline_cancellation(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    proposal = await payer_asks(market, escrow)
    request = agreement_pb.DeclineCancellationRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        proposal_id=proposal.id,
        reason=WHY,
        etag=(await market.read(escrow)).etag,
    )
    return Asked("payee", request)


async def _request_extension(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = extension(escrow, PAYMENT, LONGER)
    request.etag = escrow.etag
    return Asked("payer", request)


async def _extend_deadline(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = agreed(extension(escrow, PAYMENT, LONGER))
    request.etag = escrow.etag
    return Asked("operator", request, role="operator")


async def _decline_extension(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    asked = await market.payer.agreements.RequestExtension(extension(escrow, PAYMENT, LONGER))
    request = agreement_pb.DeclineExtensionRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        proposal_id=asked.proposal.id,
        reason=WHY,
        etag=asked.escrow.etag,
    )
    return Asked("payee", request)


REQUESTS: Requests = {
    "RequestCancellation": _request_cancellation,
    "ApproveCancellation": _approve_cancellation,
    "DeclineCancellation": _decline_cancellation,
    "RequestExtension": _request_extension,
    "ExtendDeadline": _extend_deadline,
    "DeclineExtension": _decline_extension,
}
