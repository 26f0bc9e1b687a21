"""Shows what would be sent against a chargeback."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.aggregates.evidence import costs_of_evidence
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import ChargebackMissing
from service.effects.submit_evidence import effect_id_of
from service.operations.chargebacks.assemble import assemble
from service.operations.chargebacks.existing import existing_chargeback
from service.operations.chargebacks.messages import evidence_message
from service.operations.messages import timestamp
from service.runtime import Runtime
from service.store.effects import find_effect


async def preview_chargeback_evidence(
    runtime: Runtime, call: Call, request: pb.PreviewChargebackEvidenceRequest
) -> pb.PreviewChargebackEvidenceResponse:
    """Raises ChargebackMissing."""
    found = await existing_chargeback(runtime, call.tenant_id, ids.parse(request.chargeback_id))
    records = await runtime.find_escrow(call.tenant_id, found.escrow_id)
    if records is None:
        raise ChargebackMissing
    assembled = await assemble(runtime, found, records)
    submission = await find_effect(runtime.pool, call.tenant_id, effect_id_of(found))
    blockers = assembled.blockers(submission, runtime.clock())
    return pb.PreviewChargebackEvidenceResponse(
        evidence=evidence_message(assembled),
        due_time=timestamp(found.due_by),
        blockers=[each.description for each in blockers],
        costs=costs_of_evidence(found),
    )
