"""Adds a note or a file to a dispute."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from escrow.v1 import dispute_service_pb2 as pb
from service.aggregates.dispute import dispute_of
from service.aggregates.escrow import open_case
from service.aggregates.neutral import keep_person
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import (
    DisputeEvidenceExhausted,
    FieldViolation,
    FileGiven,
    InvalidField,
)
from service.domain.files import MOST_PIECES, MOST_TOGETHER_BYTES, content_type_of, sha256_of
from service.domain.records.dispute_evidence import DisputeEvidence, DisputeFile, Stored
from service.domain.unit import UnitOfWork
from service.operations.disputes.evidence_files import key_of
from service.operations.disputes.evidence_messages import dispute_evidence_message
from service.operations.file_content import Look, take_in
from service.operations.mutation import mutation
from service.runtime import Runtime
from service.store.dispute_evidence import Given, find_given

if TYPE_CHECKING:
    from service.files.bucket import Bucket

UNKNOWN_TYPE = (
    "is no PDF, JPEG or PNG by what it begins with, and no text in UTF-8: convert it to PDF"
)


async def add_dispute_evidence(
    runtime: Runtime, call: Call, request: pb.AddDisputeEvidenceRequest
) -> pb.AddDisputeEvidenceResponse:
    """Raises EscrowMissing, DisputeMissing, InvalidField, DisputeOver, DisputeEvidenceExhausted,
    FileGiven, FileInfected, ScannerUnavailable, FilesUnavailable.
    """
    _check(request)
    plan = partial(_plan, runtime, call, request)
    if not request.content:
        return await plan(lambda: None)
    keep = partial(_keep, runtime.bucket, call, request) if runtime.bucket else None
    return await take_in(runtime, request.content, plan, keep)


def _check(request: pb.AddDisputeEvidenceRequest) -> None:
    if request.content and content_type_of(request.content) is None:
        raise InvalidField(FieldViolation("content", UNKNOWN_TYPE))
    if not request.content and not request.note:
        raise InvalidField(FieldViolation("note", "is required where there is no file"))
    if not request.content and request.file_name:
        raise InvalidField(FieldViolation("file_name", "is of a file: give its content"))


async def _keep(bucket: Bucket, call: Call, request: pb.AddDisputeEvidenceRequest) -> None:
    """Before the commit that names it. What is never named is nothing, and again is harmless."""
    content = request.content
    key = key_of(call.tenant_id, ids.parse(request.dispute_id), sha256_of(content))
    await bucket.put(key, content, content_type_of(content) or "")


@mutation(pb.AddDisputeEvidenceResponse, of="add_dispute_evidence")
async def _plan(
    runtime: Runtime, unit: UnitOfWork, request: pb.AddDisputeEvidenceRequest, look: Look
) -> pb.AddDisputeEvidenceResponse:
    case = await open_case(runtime, unit, ids.parse(request.escrow_id))
    dispute = dispute_of(case, ids.parse(request.dispute_id))
    evidence = _evidence(runtime, unit, request)
    _check_room(await find_given(runtime.pool, evidence), evidence)
    look()
    case.touch()  # so that what others give meanwhile is counted
    if unit.party is not Party.OPERATOR:
        keep_person(case, dispute)
        unit.put(dispute)
    unit.put(evidence)
    if evidence.stored is Stored.DATABASE:
        unit.put(DisputeFile(evidence.tenant_id, evidence.evidence_id, request.content))
    unit.note = f"{dispute.public_id}: {_in_words(evidence)}"
    answer = pb.AddDisputeEvidenceResponse(evidence=dispute_evidence_message(evidence))
    return await runtime.save(unit, answer)


def _evidence(
    runtime: Runtime, unit: UnitOfWork, request: pb.AddDisputeEvidenceRequest
) -> DisputeEvidence:
    content, stored = request.content, Stored.NOWHERE
    if content:
        stored = Stored.BUCKET if runtime.bucket else Stored.DATABASE
    return DisputeEvidence(
        tenant_id=unit.call.tenant_id,
        evidence_id=unit.new_id(),
        escrow_id=ids.parse(request.escrow_id),
        dispute_id=ids.parse(request.dispute_id),
        party=unit.call.party,
        caller=unit.call.caller,
        note=request.note,
        content_type=content_type_of(content) or "" if content else "",
        file_name=request.file_name,
        size_bytes=len(content),
        sha256=sha256_of(content) if content else "",
        stored=stored,
        created_at=unit.now,
    )


def _check_room(given: Given, new: DisputeEvidence) -> None:
    """Raises FileGiven, DisputeEvidenceExhausted."""
    if new.size_bytes and given.same_file:
        raise FileGiven(evidence_id=ids.show(ids.DISPUTE_EVIDENCE, given.same_file))
    left_bytes = MOST_TOGETHER_BYTES - given.size_bytes
    if given.pieces >= MOST_PIECES or new.size_bytes > left_bytes:
        raise DisputeEvidenceExhausted(
            dispute_id=ids.show(ids.DISPUTE, new.dispute_id),
            pieces_left=max(MOST_PIECES - given.pieces, 0),
            bytes_left=max(left_bytes, 0),
        )


def _in_words(evidence: DisputeEvidence) -> str:
    """For the timeline."""
    what = f"{evidence.content_type}, sha256 {evidence.sha256}" if evidence.size_bytes else "a note"
    return f"{evidence.public_id} ({what})"
