"""Cancels an escrow, or milestones of it, within the windows of its policy."""

from __future__ import annotations

from functools import partial

from escrow.v1.escrow_service_pb2 import CancelEscrowRequest, CancelEscrowResponse
from service.aggregates.escrow import open_case
from service.aggregates.neutral import check_neutral
from service.domain import ids
from service.domain.call import Call
from service.domain.unit import UnitOfWork
from service.operations.escrows.cancel_milestones import (
    cancel_milestones,
    check_may_cancel,
    chosen_to_cancel,
)
from service.operations.escrows.ending_payments import check_etag, check_no_open, ending_payments
from service.operations.escrows.messages import escrow_message, refunded_message
from service.operations.mutation import mutation
from service.operations.payments.settled import once_settled
from service.runtime import Runtime


async def cancel_escrow(
    runtime: Runtime, call: Call, request: CancelEscrowRequest
) -> CancelEscrowResponse:
    """Open payments are canceled at Stripe first, so that no payer pays for what is canceled. What
    is held is refunded in the same commit.

    Raises:
        EscrowMissing, MilestoneMissing, StaleEtag, PartyNotAllowed, InvalidField.
        WrongState: all of it, or a milestone that is named, is at its end.
        CancellationBlocked: it takes both parties now, or an operator.
        ResolverIsParty: an operator who has acted for a party in a dispute of it.
        AmountFrozen, PaymentDisputed, PaymentNotSettled, StripeRefused, StripeUnavailable.
    """
    attempt = partial(_cancel, runtime, call, request)
    return await once_settled(runtime, call, lambda: ending_payments(runtime, call, attempt))


@mutation(CancelEscrowResponse, of="cancel_escrow")
async def _cancel(
    runtime: Runtime,
    unit: UnitOfWork,
    request: CancelEscrowRequest,
    has_ended_one: bool,
) -> CancelEscrowResponse:
    case = await open_case(runtime, unit, ids.parse(request.escrow_id))
    await check_etag(runtime, case, request.etag, has_ended_one=has_ended_one)
    check_neutral(case)
    chosen = chosen_to_cancel(case, request.milestone_ids)
    check_may_cancel(case, chosen)
    if not request.validate_only:
        check_no_open(case, chosen)
    refunds = cancel_milestones(case, chosen, request.reason)
    return await runtime.finish(
        unit,
        lambda: CancelEscrowResponse(
            escrow=escrow_message(case.records), refunded=refunded_message(case, refunds)
        ),
        dry_run=request.validate_only,
    )
