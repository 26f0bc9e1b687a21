"""The other party, or an operator, says no to an extension, or who asked takes it back."""

from __future__ import annotations

from escrow.v1.agreement_service_pb2 import DeclineExtensionRequest, DeclineExtensionResponse
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.records.proposal import ProposalKind
from service.domain.unit import UnitOfWork
from service.operations.agreements.proposals import decline
from service.operations.escrows.messages import escrow_message, proposal_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(DeclineExtensionResponse)
async def decline_extension(
    runtime: Runtime, unit: UnitOfWork, request: DeclineExtensionRequest
) -> DeclineExtensionResponse:
    """Raises EscrowMissing, ProposalMissing, StaleEtag, WrongState, PartyNotAllowed."""
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    proposal = case.proposal(ids.parse(request.proposal_id), ProposalKind.EXTENSION)
    decline(case, proposal)
    return await runtime.finish(
        unit,
        lambda: DeclineExtensionResponse(
            proposal=proposal_message(proposal, case.records), escrow=escrow_message(case.records)
        ),
    )
