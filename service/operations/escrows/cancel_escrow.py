"""Cancels an escrow that is not paid for."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import CancelEscrowRequest, CancelEscrowResponse
from service.aggregates.escrow import EscrowCase, open_case
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import StaleEtag
from service.domain.states.milestone import MILESTONE, MilestoneEvent
from service.domain.unit import UnitOfWork
from service.operations.escrows.ending_payments import began_to_end, check_no_open, ending_payments
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


async def cancel_escrow(
    runtime: Runtime, call: Call, request: CancelEscrowRequest
) -> CancelEscrowResponse:
    """Open payments are canceled at Stripe first, so that no payer pays for what is canceled.

    Raises:
        EscrowMissing, StaleEtag, PartyNotAllowed, StripeRefused, StripeUnavailable.
        WrongState: it has been paid for, at least in part.
    """

    async def attempt(has_ended_one: bool) -> CancelEscrowResponse:
        @mutation(CancelEscrowResponse, of="cancel_escrow")
        async def story(
            runtime: Runtime, unit: UnitOfWork, request: CancelEscrowRequest
        ) -> CancelEscrowResponse:
            case = await open_case(runtime, unit, ids.parse(request.escrow_id))
            is_stale = request.etag not in ("", str(case.escrow.version))
            # Unless this request has made it so, by ending a payment.
            if is_stale and not has_ended_one and not await began_to_end(runtime, case):
                raise StaleEtag(etag=case.escrow.version)
            return await _cancel(runtime, case)

        return await story(runtime, call, request)

    return await ending_payments(runtime, call, attempt)


async def _cancel(runtime: Runtime, case: EscrowCase) -> CancelEscrowResponse:
    unit = case.unit
    for milestone in case.records.milestones:
        MILESTONE.follow(milestone.state, MilestoneEvent.CANCEL, unit.call.party)
    check_no_open(case)
    for milestone in case.records.milestones:
        case.advance(milestone, MilestoneEvent.CANCEL)
    return await runtime.save(unit, CancelEscrowResponse(escrow=escrow_message(case.records)))
