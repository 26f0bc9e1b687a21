"""The other party, or an operator, agrees to an amendment: it is carried out as it was asked."""

from __future__ import annotations

from escrow.v1.agreement_service_pb2 import AcceptAmendmentRequest, AcceptAmendmentResponse
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.amendment import changes_of
from service.domain.records.proposal import ProposalKind
from service.domain.unit import UnitOfWork
from service.operations.agreements.proposals import approve, carry_out_amendment
from service.operations.agreements.propose_amendment import load_payees
from service.operations.escrows.changes_in_words import changes_in_words
from service.operations.escrows.messages import escrow_message, proposal_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(AcceptAmendmentResponse)
async def accept_amendment(
    runtime: Runtime, unit: UnitOfWork, request: AcceptAmendmentRequest
) -> AcceptAmendmentResponse:
    """Raises EscrowMissing, ProposalMissing, StaleEtag, PartyNotAllowed.

    WrongState: it was answered before, or has lapsed.
    AmendmentBlocked: it cannot be done now, or is not what was seen any more.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    proposal = case.proposal(ids.parse(request.proposal_id), ProposalKind.AMENDMENT)
    changes = changes_of(proposal)
    case.touch()
    approve(case, proposal)
    await load_payees(runtime, case, changes)
    carry_out_amendment(case, proposal, changes)
    unit.note = changes_in_words(changes, case.escrow.currency)
    return await runtime.finish(
        unit,
        lambda: AcceptAmendmentResponse(
            proposal=proposal_message(proposal, case.records), escrow=escrow_message(case.records)
        ),
        dry_run=request.validate_only,
    )
