"""The other party, or an operator, agrees to a cancellation: it is carried out."""

from __future__ import annotations

from functools import partial

from escrow.v1.agreement_service_pb2 import (
    ApproveCancellationRequest,
    ApproveCancellationResponse,
)
from service.aggregates.escrow import open_case
from service.aggregates.neutral import check_neutral
from service.domain import ids
from service.domain.call import Call
from service.domain.records.proposal import ProposalKind
from service.domain.unit import UnitOfWork
from service.operations.agreements.proposals import carry_out_cancellation
from service.operations.escrows.ending_payments import check_etag, ending_payments
from service.operations.escrows.messages import escrow_message, proposal_message, refunded_message
from service.operations.mutation import mutation
from service.operations.payments.settled import once_settled
from service.runtime import Runtime


async def approve_cancellation(
    runtime: Runtime, call: Call, request: ApproveCancellationRequest
) -> ApproveCancellationResponse:
    """As CancelEscrow, without its windows.

    Raises:
        EscrowMissing, ProposalMissing, StaleEtag, PartyNotAllowed.
        WrongState: it was answered before, or is over.
        ResolverIsParty: an operator who has acted for a party in a dispute of it.
        AmountFrozen, PaymentDisputed, PaymentNotSettled, StripeRefused, StripeUnavailable.
    """
    attempt = partial(_approve, runtime, call, request)
    return await once_settled(runtime, call, lambda: ending_payments(runtime, call, attempt))


@mutation(ApproveCancellationResponse, of="approve_cancellation")
async def _approve(
    runtime: Runtime,
    unit: UnitOfWork,
    request: ApproveCancellationRequest,
    has_ended_one: bool,
) -> ApproveCancellationResponse:
    case = await open_case(runtime, unit, ids.parse(request.escrow_id))
    await check_etag(runtime, case, request.etag, has_ended_one=has_ended_one)
    check_neutral(case)
    proposal = case.proposal(ids.parse(request.proposal_id), ProposalKind.CANCELLATION)
    case.touch()
    refunds = carry_out_cancellation(case, proposal, dry_run=request.validate_only)
    case.keep_time()
    return await runtime.finish(
        unit,
        lambda: ApproveCancellationResponse(
            proposal=proposal_message(proposal, case.records),
            escrow=escrow_message(case.records),
            refunded=refunded_message(case, refunds),
        ),
        dry_run=request.validate_only,
    )
