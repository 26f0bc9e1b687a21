"""What is sure to be answered about agreements."""

from datetime import timedelta

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.agreements.amending import (
    added,
    amended,
    amendment,
    asked,
    no,
    yes,
)
from tests.service.operations.agreements.asking import agreed, cancellation, extension, payer_asks
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.escrows.split import share
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
    longer = await market.payer.agreements.RequestExtension(extension(escrow, PAYMENT, LONGER))
    request = agreement_pb.DeclineExtensionRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        proposal_id=longer.proposal.id,
        reason=WHY,
        etag=longer.escrow.etag,
    )
    return Asked("payee", request)


async def _propose_amendment(market: Marketplace) -> Asked:
    escrow = await market.new_escrow(10_000, 4_000)
    due = market.work_runtime.clock().replace(microsecond=0) + LONGER
    payee = await market.new_payee(active=False)
    parts = [share(payee, basis=2_500), pb.PayeeShare(payee_id=escrow.payee_id, amount_minor=150)]
    parts.append(share(await market.new_payee(active=False)))
    changes = amended(escrow, price=8_000), added(2_000, due=due, payees=parts)
    return Asked("payer", amendment(escrow, *changes, etag=escrow.etag))


async def _accept_amendment(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = yes(await asked(market.payer, escrow, amended(escrow, price=8_000)), escrow)
    request.etag = (await market.read(escrow)).etag
    return Asked("payee", request)


async def _decline_amendment(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = no(await asked(market.payer, escrow, amended(escrow, price=8_000)), escrow)
    request.etag = (await market.read(escrow)).etag
    return Asked("payee", request)


REQUESTS: Requests = {
    "RequestCancellation": _request_cancellation,
    "ApproveCancellation": _approve_cancellation,
    "DeclineCancellation": _decline_cancellation,
    "RequestExtension": _request_extension,
    "ExtendDeadline": _extend_deadline,
    "DeclineExtension": _decline_extension,
    "ProposeAmendment": _propose_amendment,
    "AcceptAmendment": _accept_amendment,
    "DeclineAmendment": _decline_amendment,
}
