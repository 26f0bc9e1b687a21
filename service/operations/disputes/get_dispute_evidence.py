"""Reads a piece of evidence of a dispute, with its file."""

from __future__ import annotations

import structlog

from escrow.v1 import dispute_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import DisputeEvidenceMissing, FileDamaged
from service.domain.files import sha256_of
from service.domain.records.dispute_evidence import DisputeEvidence, Stored
from service.operations.disputes.evidence_files import read_file
from service.operations.disputes.evidence_messages import dispute_evidence_message
from service.runtime import Runtime
from service.store.dispute_evidence import find_dispute_evidence

log = structlog.get_logger()


async def get_dispute_evidence(
    runtime: Runtime, call: Call, request: pb.GetDisputeEvidenceRequest
) -> pb.GetDisputeEvidenceResponse:
    """Raises DisputeEvidenceMissing, FilesUnavailable, FileDamaged."""
    evidence_id = ids.parse(request.evidence_id)
    evidence = await find_dispute_evidence(runtime.pool, call.tenant_id, evidence_id)
    # The dispute says whose it is (ownership.py), so it has to be that of the evidence.
    if evidence is None or evidence.dispute_id != ids.parse(request.dispute_id):
        raise DisputeEvidenceMissing
    message = dispute_evidence_message(evidence)
    content = await _content(runtime, evidence)
    return pb.GetDisputeEvidenceResponse(evidence=message, content=content)


async def _content(runtime: Runtime, evidence: DisputeEvidence) -> bytes:
    if evidence.stored is Stored.NOWHERE:
        return b""
    content = await read_file(runtime, evidence)
    if content is None or sha256_of(content) != evidence.sha256:
        what = "missing" if content is None else "another"
        log.error("file damaged", evidence=evidence.public_id, stored=evidence.stored, found=what)
        raise FileDamaged(evidence_id=evidence.public_id)
    return content
