"""The payer or the payee disputes what is held of a milestone, or a part of that."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates import dispute as disputes
from service.aggregates.escrow import EscrowCase, open_case
from service.domain import ids
from service.domain.errors import FieldViolation, InvalidField, check_multiples
from service.domain.money import charge_step_minor
from service.domain.records.dispute import DisputeReason
from service.domain.unit import UnitOfWork
from service.operations.disputes.messages import dispute_in
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime

REASONS = {pb.DisputeReason.Value(f"DISPUTE_REASON_{each}"): each for each in DisputeReason}


@mutation(pb.OpenDisputeResponse)
async def open_dispute(
    runtime: Runtime, unit: UnitOfWork, request: pb.OpenDisputeRequest
) -> pb.OpenDisputeResponse:
    """Raises EscrowMissing, MilestoneMissing, StaleEtag, PartyNotAllowed, AmountNotMultiple.

    InvalidField: they ask for more than they dispute.
    DisputeWindowClosed, AmountDisputed, DisputesExhausted.
    """
    reason = REASONS.get(request.dispute_reason)
    if reason is None:
        raise InvalidField(FieldViolation("dispute_reason", "must be one of the reasons"))
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    milestone = case.milestone(ids.parse(request.milestone_id))
    claim_minor = _claim(case, request)
    dispute = disputes.open_dispute(
        *(case, milestone, request.amount_minor if request.HasField("amount_minor") else None),
        *(claim_minor, reason, request.statement),
    )
    return await runtime.finish(
        unit,
        lambda: pb.OpenDisputeResponse(
            dispute=dispute_in(case.records, dispute), escrow=escrow_message(case.records)
        ),
    )


def _claim(case: EscrowCase, request: pb.OpenDisputeRequest) -> int | None:
    if not request.HasField("to_payer_minor"):
        return None
    currency = case.escrow.currency
    amounts = {"to_payer_minor": request.to_payer_minor}
    check_multiples(amounts, charge_step_minor(currency), currency)
    return request.to_payer_minor
