"""One party asks the other to let a deadline be due later."""

from __future__ import annotations

from escrow.v1.agreement_service_pb2 import RequestExtensionRequest, RequestExtensionResponse
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.records.proposal import ProposalKind
from service.domain.unit import UnitOfWork
from service.operations.agreements.extendable import extendable
from service.operations.agreements.proposals import propose
from service.operations.escrows.messages import escrow_message, proposal_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(RequestExtensionResponse)
async def request_extension(
    runtime: Runtime, unit: UnitOfWork, request: RequestExtensionRequest
) -> RequestExtensionResponse:
    """The deadline runs on meanwhile.

    Raises:
        EscrowMissing, DeadlineMissing, StaleEtag, DeadlineFixed, InvalidField.
        ProposalOpen: an extension of it is asked for already. ProposalsExhausted.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    deadline, due_at = extendable(case, request.deadline_id, request.due_time)
    proposal = propose(
        case,
        ProposalKind.EXTENSION,
        request.reason,
        deadline_id=deadline.deadline_id,
        due_at=due_at,
    )
    case.keep_time()
    return await runtime.finish(
        unit,
        lambda: RequestExtensionResponse(
            proposal=proposal_message(proposal, case.records), escrow=escrow_message(case.records)
        ),
    )
