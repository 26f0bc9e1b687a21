"""Where the files of disputes are kept: in the database, or in a bucket where one is set."""

from __future__ import annotations

from uuid import UUID

import structlog

from service.admission import aside
from service.domain.errors import FilesUnavailable
from service.domain.records.dispute_evidence import DisputeEvidence, Stored
from service.runtime import Runtime
from service.store.dispute_evidence import find_file

log = structlog.get_logger()


def key_of(tenant_id: str, dispute_id: UUID, sha256: str) -> str:
    """In a bucket. The same content of a dispute is one object, whoever gave it and how often."""
    return f"{tenant_id}/disputes/{dispute_id.hex}/{sha256}"


async def read_file(runtime: Runtime, evidence: DisputeEvidence) -> bytes | None:
    """What is kept of it now; None where nothing is. Raises FilesUnavailable."""
    if evidence.stored is Stored.DATABASE:
        return await find_file(runtime.pool, evidence.tenant_id, evidence.evidence_id)
    if runtime.bucket is None:
        log.error("file in a bucket, and ESCROW_FILES_BUCKET is not set", of=evidence.public_id)
        raise FilesUnavailable
    key = key_of(evidence.tenant_id, evidence.dispute_id, evidence.sha256)
    with aside():
        return await runtime.bucket.get(key)
