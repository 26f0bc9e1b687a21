"""Shows what would be sent against a chargeback."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.aggregates.evidence import blockers_of_evidence, costs_of_evidence
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import ChargebackMissing
from service.operations.chargebacks.evidence_texts import texts_of
from service.operations.chargebacks.known_evidence import read_known
from service.operations.chargebacks.messages import evidence_message
from service.operations.messages import timestamp
from service.runtime import Runtime
from service.store.chargebacks import find_chargeback


async def preview_chargeback_evidence(
    runtime: Runtime, call: Call, request: pb.PreviewChargebackEvidenceRequest
) -> pb.PreviewChargebackEvidenceResponse:
    """Raises ChargebackMissing."""
    chargeback_id = ids.parse(request.chargeback_id)
    found = await find_chargeback(runtime.pool, call.tenant_id, chargeback_id)
    if found is None:
        raise ChargebackMissing
    fields = texts_of(await read_known(runtime, found))
    return pb.PreviewChargebackEvidenceResponse(
        evidence=evidence_message(found, fields),
        due_time=timestamp(found.due_by),
        blockers=[each.description for each in blockers_of_evidence(found, runtime.clock())],
        costs=costs_of_evidence(found),
    )
