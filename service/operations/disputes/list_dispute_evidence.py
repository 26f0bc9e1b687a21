"""Lists what was given in disputes, newest first, without the files."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.operations.disputes.evidence_messages import dispute_evidence_message
from service.operations.listing import BY_CREATE_TIME, Fields, by_id, by_text, list_rows
from service.runtime import Runtime
from service.store.dispute_evidence import DISPUTE_EVIDENCE

FIELDS: Fields = {
    "dispute_id": by_id("dispute_id", ids.DISPUTE),
    "escrow_id": by_id("escrow_id", ids.ESCROW),
    "party": by_text("party"),
    "create_time": BY_CREATE_TIME,
}


async def list_dispute_evidence(
    runtime: Runtime, call: Call, request: pb.ListDisputeEvidenceRequest
) -> pb.ListDisputeEvidenceResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        DISPUTE_EVIDENCE,
        FIELDS,
        key_of=lambda row: row.evidence_id,
        show=dispute_evidence_message,
        prefix=ids.DISPUTE_EVIDENCE,
    )
    return pb.ListDisputeEvidenceResponse(
        evidence=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
