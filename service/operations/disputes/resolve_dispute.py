"""An operator who is neither party decides a dispute."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import dispute_of
from service.aggregates.escrow import open_case
from service.aggregates.neutral import check_neutral
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import FieldViolation, InvalidField
from service.domain.states.dispute import DisputeEvent
from service.domain.unit import UnitOfWork
from service.operations.disputes.ending import end_dispute, refunded
from service.operations.disputes.messages import dispute_in
from service.operations.disputes.split import named_payees
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.payments.settled import once_settled
from service.runtime import Runtime


async def resolve_dispute(
    runtime: Runtime, call: Call, request: pb.ResolveDisputeRequest
) -> pb.ResolveDisputeResponse:
    """Raises EscrowMissing, DisputeMissing, StaleEtag, DisputeOver, InvalidField,
    AmountNotMultiple.

    ResolverIsParty: they have acted for a party in a dispute of the escrow.
    SplitDoesNotAddUp: it is more or less than what is disputed.
    ShareAboveHeld: it is more than what is held for a payee.
    DisputeBlocked, PaymentDisputed: others have frozen some of it.
    PaymentNotSettled, StripeUnavailable.
    """
    return await once_settled(runtime, call, lambda: _resolve(runtime, call, request))


@mutation(pb.ResolveDisputeResponse, of="resolve_dispute")
async def _resolve(
    runtime: Runtime, unit: UnitOfWork, request: pb.ResolveDisputeRequest
) -> pb.ResolveDisputeResponse:
    if not request.HasField("to_payer_minor"):
        raise InvalidField(FieldViolation("to_payer_minor", "is required; 0 releases all"))
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    check_neutral(case)
    among = named_payees(request, case.escrow.currency)
    refund = end_dispute(
        *(case, dispute, DisputeEvent.RESOLVE, request.to_payer_minor, among), why=request.reason
    )
    unit.note = dispute.public_id
    return await runtime.finish(
        unit,
        lambda: pb.ResolveDisputeResponse(
            dispute=dispute_in(case.records, dispute),
            escrow=escrow_message(case.records),
            refund=refunded(case, refund),
        ),
        dry_run=request.validate_only,
    )
