"""Gives evidence to the payer's bank: once, as an operator has seen it."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EvidenceChanged
from service.domain.records.evidence import EvidenceStep
from service.domain.unit import UnitOfWork
from service.effects import submit_evidence
from service.operations.chargebacks.answering import open_answer, sent
from service.operations.chargebacks.messages import sent_message
from service.operations.mutation import mutation
from service.operations.send_now import send_now
from service.runtime import Runtime

MEND = (
    "Nothing was submitted. Give other texts (StageChargebackEvidence), and submit it again with a"
    " new request_id, before it is due."
)


async def submit_chargeback_evidence(
    runtime: Runtime, call: Call, request: pb.SubmitChargebackEvidenceRequest
) -> pb.SubmitChargebackEvidenceResponse:
    """Raises ChargebackMissing, EvidenceBlocked, EvidenceChanged, StripeRefused, StripeUnavailable:
    it is on its way, and the same request_id hears what became of it.
    """
    answer = await _plan(runtime, call, request)
    if not request.validate_only:
        effect_id = ids.parse(answer.evidence.effect_id)
        facts = {"chargeback_id": request.chargeback_id}
        await send_now(runtime, call, effect_id, mend=MEND, facts=facts)
    return answer


@mutation(pb.SubmitChargebackEvidenceResponse, of="submit_chargeback_evidence")
async def _plan(
    runtime: Runtime, unit: UnitOfWork, request: pb.SubmitChargebackEvidenceRequest
) -> pb.SubmitChargebackEvidenceResponse:
    case, assembled = await open_answer(runtime, unit, request.chargeback_id)
    if request.evidence_hash != assembled.hash:
        raise EvidenceChanged(chargeback_id=request.chargeback_id, evidence_hash=assembled.hash)
    known = assembled.chargeback
    effect = submit_evidence.plan(unit, known, assembled.fields, case.records.effect)
    row = sent(case, assembled, EvidenceStep.SUBMITTED, effect)
    answer = pb.SubmitChargebackEvidenceResponse(evidence=sent_message(row, with_fields=False))
    return answer if request.validate_only else await runtime.save(unit, answer)
