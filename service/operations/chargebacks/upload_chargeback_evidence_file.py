"""Uploads a file that can be put into a field of evidence."""

from __future__ import annotations

import hashlib
from functools import partial

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import FieldViolation, InvalidField
from service.domain.evidence import file_type_of
from service.domain.records.effect import Effect
from service.domain.unit import UnitOfWork
from service.effects import upload_evidence
from service.operations.chargebacks.answering import open_answer
from service.operations.file_content import Look, take_in
from service.operations.mutation import mutation
from service.operations.send_now import send_now
from service.runtime import Runtime
from service.store.effects import find_effect

UNKNOWN_TYPE = (
    "is no PDF, JPEG or PNG by what it begins with, and Stripe takes no other: convert it to PDF"
)


async def upload_chargeback_evidence_file(
    runtime: Runtime, call: Call, request: pb.UploadChargebackEvidenceFileRequest
) -> pb.UploadChargebackEvidenceFileResponse:
    """Raises ChargebackMissing, InvalidField, EvidenceBlocked, FileInfected, ScannerUnavailable,
    StripeRefused, StripeUnavailable.
    """
    if file_type_of(request.content) is None:
        raise InvalidField(FieldViolation("content", UNKNOWN_TYPE))
    answer = await take_in(runtime, request.content, partial(_plan, runtime, call, request))
    facts = {"chargeback_id": request.chargeback_id}
    effect = await send_now(runtime, call, ids.parse(answer.file.id), facts=facts)
    answer.file.stripe_file = effect.stripe_object or ""
    return answer


async def _plan(
    runtime: Runtime, call: Call, request: pb.UploadChargebackEvidenceFileRequest, look: Look
) -> pb.UploadChargebackEvidenceFileResponse:
    @mutation(pb.UploadChargebackEvidenceFileResponse, of="upload_chargeback_evidence_file")
    async def story(
        runtime: Runtime, unit: UnitOfWork, request: pb.UploadChargebackEvidenceFileRequest
    ) -> pb.UploadChargebackEvidenceFileResponse:
        return await _story(runtime, unit, request, look)

    return await story(runtime, call, request)


async def _story(
    runtime: Runtime,
    unit: UnitOfWork,
    request: pb.UploadChargebackEvidenceFileRequest,
    look: Look,
) -> pb.UploadChargebackEvidenceFileResponse:
    case, assembled = await open_answer(runtime, unit, request.chargeback_id)
    known, kind = assembled.chargeback, file_type_of(request.content)
    assert kind is not None
    file_id = upload_evidence.file_id_of(known.chargeback_id, request.content)
    before = await find_effect(runtime.pool, known.tenant_id, file_id)
    effect = upload_evidence.plan(unit, known, request.content, kind, before)
    look()
    case.touch()
    file = _message(effect, request, kind.content_type)
    unit.note = f"{known.public_id}: {file.id} ({kind.content_type}, sha256 {file.sha256})"
    return await runtime.save(unit, pb.UploadChargebackEvidenceFileResponse(file=file))


def _message(
    effect: Effect, request: pb.UploadChargebackEvidenceFileRequest, content_type: str
) -> pb.EvidenceFile:
    return pb.EvidenceFile(
        id=ids.show(ids.EVIDENCE_FILE, effect.effect_id),
        chargeback_id=request.chargeback_id,
        content_type=content_type,
        size_bytes=len(request.content),
        sha256=hashlib.sha256(request.content).hexdigest(),
        effect_id=effect.public_id,
    )
