"""One party asks the other to cancel, where it cannot by itself."""

from __future__ import annotations

from escrow.v1.agreement_service_pb2 import (
    RequestCancellationRequest,
    RequestCancellationResponse,
)
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.records.proposal import ProposalKind
from service.domain.unit import UnitOfWork
from service.operations.agreements.proposals import propose
from service.operations.escrows.cancel_milestones import chosen_to_cancel
from service.operations.escrows.messages import escrow_message, proposal_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(RequestCancellationResponse)
async def request_cancellation(
    runtime: Runtime, unit: UnitOfWork, request: RequestCancellationRequest
) -> RequestCancellationResponse:
    """Nothing else stops meanwhile: deliveries, acceptances and deadlines go on.

    Raises:
        EscrowMissing, MilestoneMissing, StaleEtag, WrongState, PartyNotAllowed, InvalidField.
        ProposalOpen: it is asked for already. ProposalsExhausted.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    chosen = chosen_to_cancel(case, request.milestone_ids)
    proposal = propose(
        case,
        ProposalKind.CANCELLATION,
        request.reason,
        milestone_ids=[each.public_id for each in chosen],
    )
    case.keep_time()
    return await runtime.finish(
        unit,
        lambda: RequestCancellationResponse(
            proposal=proposal_message(proposal, case.records), escrow=escrow_message(case.records)
        ),
    )
