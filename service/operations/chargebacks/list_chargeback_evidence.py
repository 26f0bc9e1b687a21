"""Lists what was staged and submitted against chargebacks, newest first."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.records.evidence import EvidenceStep
from service.operations.chargebacks.messages import sent_message
from service.operations.listing import BY_CREATE_TIME, Fields, by_id, by_name, list_rows
from service.runtime import Runtime
from service.store.evidence import EVIDENCE

FIELDS: Fields = {
    "chargeback_id": by_id("chargeback_id", ids.CHARGEBACK),
    "step": by_name("step", EvidenceStep, "EVIDENCE_STEP_"),
    "create_time": BY_CREATE_TIME,
}


async def list_chargeback_evidence(
    runtime: Runtime, call: Call, request: pb.ListChargebackEvidenceRequest
) -> pb.ListChargebackEvidenceResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        EVIDENCE,
        FIELDS,
        key_of=lambda row: row.evidence_id,
        show=lambda row: sent_message(row, with_fields=True),
        prefix=ids.EVIDENCE,
    )
    return pb.ListChargebackEvidenceResponse(
        evidence=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
