"""Lets a deadline be due later: both parties together, or an operator."""

from __future__ import annotations

from escrow.v1.agreement_service_pb2 import ExtendDeadlineRequest, ExtendDeadlineResponse
from service.aggregates.deadlines import extend
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.call import Party
from service.domain.errors import ConsentMissing
from service.domain.unit import UnitOfWork
from service.operations.agreements.extendable import extendable
from service.operations.agreements.proposals import approve, open_extensions
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.runtime import Runtime


@mutation(ExtendDeadlineResponse)
async def extend_deadline(
    runtime: Runtime, unit: UnitOfWork, request: ExtendDeadlineRequest
) -> ExtendDeadlineResponse:
    """Raises EscrowMissing, DeadlineMissing, StaleEtag, DeadlineFixed, InvalidField.

    ConsentMissing: a party alone, for the other has not asked for this very time.
    """
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    deadline, due_at = extendable(case, request.deadline_id, request.due_time)
    if unit.party is not Party.OPERATOR:
        asked = open_extensions(case, deadline.deadline_id)
        theirs = [each for each in asked if each.proposed_by is not unit.party]
        same = [each for each in theirs if each.due_at == due_at]
        if not same:
            other = {"asked_time": theirs[0].due_at} if theirs else {}
            raise ConsentMissing(deadline_id=deadline.public_id, **other)
        approve(case, same[0])
    case.touch()
    extend(unit, case.records, deadline, due_at)
    case.keep_time()
    return await runtime.finish(
        unit, lambda: ExtendDeadlineResponse(escrow=escrow_message(case.records))
    )
