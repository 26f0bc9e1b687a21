"""The other side accepts an offer: it is done."""

from __future__ import annotations

from uuid import UUID

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import dispute_of
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.neutral import keep_person
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import (
    NothingOffered,
    OfferIsYours,
    OfferOutdated,
    OfferReplaced,
    ShareAboveHeld,
    SplitDoesNotAddUp,
)
from service.domain.records.dispute import Dispute, Offer
from service.domain.states.dispute import DISPUTE, DisputeEvent
from service.domain.unit import UnitOfWork
from service.operations.disputes.ending import end_dispute, refunded
from service.operations.disputes.messages import dispute_in
from service.operations.disputes.split import check_split
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.payments.settled import once_settled
from service.runtime import Runtime


async def accept_dispute_split(
    runtime: Runtime, call: Call, request: pb.AcceptDisputeSplitRequest
) -> pb.AcceptDisputeSplitResponse:
    """Raises EscrowMissing, DisputeMissing, StaleEtag, DisputeOver, WrongState, PartyNotAllowed.

    NothingOffered. OfferReplaced: it is not the last offer. OfferIsYours.
    OfferOutdated: what is disputed or held has changed, so that it cannot be done as offered.
    DisputeBlocked, PaymentDisputed: others have frozen some of it.
    PaymentNotSettled, StripeUnavailable.
    """
    return await once_settled(runtime, call, lambda: _accept(runtime, call, request))


@mutation(pb.AcceptDisputeSplitResponse, of="accept_dispute_split")
async def _accept(
    runtime: Runtime, unit: UnitOfWork, request: pb.AcceptDisputeSplitRequest
) -> pb.AcceptDisputeSplitResponse:
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    DISPUTE.follow(dispute.public_id, dispute.state, DisputeEvent.AGREE, unit.party)
    offer = _offered(dispute, request.offer_number)
    if unit.party is offer.by:
        raise OfferIsYours(dispute_id=dispute.public_id, offer_number=offer.number)
    among = _among(case, dispute, offer)
    refund = end_dispute(case, dispute, DisputeEvent.AGREE, offer.to_payer_minor, among)
    keep_person(case, dispute)
    return await runtime.finish(
        unit,
        lambda: pb.AcceptDisputeSplitResponse(
            dispute=dispute_in(case.records, dispute),
            escrow=escrow_message(case.records),
            refund=refunded(case, refund),
        ),
    )


def _offered(dispute: Dispute, number: int) -> Offer:
    if not dispute.offer_number:
        raise NothingOffered(dispute_id=dispute.public_id)
    if number != dispute.offer_number:
        raise OfferReplaced(dispute_id=dispute.public_id, offer_number=dispute.offer_number)
    if dispute.offer is None:
        raise OfferOutdated(dispute_id=dispute.public_id, offer_number=number)
    return dispute.offer


def _among(case: EscrowCase, dispute: Dispute, offer: Offer) -> dict[UUID, int] | None:
    """What each payee gets, where the offer says it, exactly so or not at all."""
    among = {ids.parse(payee_id): minor for payee_id, minor in offer.to_payees.items()} or None
    try:
        check_split(case, dispute, offer.to_payer_minor, among)
    except (SplitDoesNotAddUp, ShareAboveHeld) as changed:
        facts = {"dispute_id": dispute.public_id, "offer_number": offer.number}
        raise OfferOutdated(**facts) from changed
    return among
