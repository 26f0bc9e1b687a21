"""What was given in a dispute, as the message of the API."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.domain import ids
from service.domain.records.dispute_evidence import DisputeEvidence
from service.operations.messages import timestamp


def dispute_evidence_message(evidence: DisputeEvidence) -> pb.DisputeEvidence:
    return pb.DisputeEvidence(
        id=evidence.public_id,
        escrow_id=ids.show(ids.ESCROW, evidence.escrow_id),
        dispute_id=ids.show(ids.DISPUTE, evidence.dispute_id),
        party=evidence.party,
        note=evidence.note,
        content_type=evidence.content_type,
        file_name=evidence.file_name,
        size_bytes=evidence.size_bytes,
        sha256=evidence.sha256,
        create_time=timestamp(evidence.created_at),
    )
