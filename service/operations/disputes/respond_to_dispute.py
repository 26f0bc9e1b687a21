"""The other party answers a dispute: as who opened it asks, or not."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import dispute_of, move
from service.aggregates.escrow import open_case
from service.aggregates.neutral import keep_person
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import FieldViolation, InvalidField, PartyNotAllowed
from service.domain.records.refund import Refund
from service.domain.states.dispute import DISPUTE, DisputeEvent
from service.domain.unit import UnitOfWork
from service.operations.disputes.ending import end_dispute, refunded
from service.operations.disputes.messages import dispute_in
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.payments.settled import once_settled
from service.runtime import Runtime

EVENTS = {
    pb.DISPUTE_ANSWER_ACCEPT: DisputeEvent.CONCEDE,
    pb.DISPUTE_ANSWER_CONTEST: DisputeEvent.CONTEST,
}


async def respond_to_dispute(
    runtime: Runtime, call: Call, request: pb.RespondToDisputeRequest
) -> pb.RespondToDisputeResponse:
    """Raises EscrowMissing, DisputeMissing, StaleEtag, InvalidField, DisputeOver, WrongState.

    PartyNotAllowed: they have opened it themselves.
    DisputeBlocked, PaymentDisputed: others have frozen some of it.
    PaymentNotSettled, StripeUnavailable.
    """
    return await once_settled(runtime, call, lambda: _respond(runtime, call, request))


@mutation(pb.RespondToDisputeResponse, of="respond_to_dispute")
async def _respond(
    runtime: Runtime, unit: UnitOfWork, request: pb.RespondToDisputeRequest
) -> pb.RespondToDisputeResponse:
    event = EVENTS.get(request.answer)
    if event is None:
        raise InvalidField(FieldViolation("answer", "must be ACCEPT or CONTEST"))
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    if unit.party is not dispute.other_party:
        says = "You have opened this dispute: the other party answers it."
        raise PartyNotAllowed(says, party=unit.party, allowed=dispute.other_party)
    DISPUTE.follow(dispute.public_id, dispute.state, event, unit.party)
    dispute.answer, dispute.answered_at = request.statement or None, unit.now
    refund: Refund | None = None
    if event is DisputeEvent.CONTEST:
        move(case, dispute, event)
    else:
        to_payer_minor = dispute.still_to_payer(dispute.claim_minor)
        refund = end_dispute(case, dispute, event, to_payer_minor)
        keep_person(case, dispute)
    return await runtime.finish(
        unit,
        lambda: pb.RespondToDisputeResponse(
            dispute=dispute_in(case.records, dispute),
            escrow=escrow_message(case.records),
            refund=refunded(case, refund),
        ),
    )
