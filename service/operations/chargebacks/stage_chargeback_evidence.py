"""Puts evidence on a dispute at Stripe, with what an operator gives; the bank does not get it."""

from __future__ import annotations

from escrow.v1 import chargeback_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.records.evidence import EvidenceStep
from service.domain.unit import UnitOfWork
from service.effects import stage_evidence
from service.operations.chargebacks.answering import open_answer, sent
from service.operations.chargebacks.assemble import check_given
from service.operations.chargebacks.messages import sent_message
from service.operations.mutation import mutation
from service.operations.send_now import effect_id_of, send_now
from service.runtime import Runtime

VERB = "stage_evidence"
MEND = "Give other texts, and stage it again with a new request_id."


async def stage_chargeback_evidence(
    runtime: Runtime, call: Call, request: pb.StageChargebackEvidenceRequest
) -> pb.StageChargebackEvidenceResponse:
    """Raises ChargebackMissing, InvalidField, EvidenceBlocked, StripeRefused, StripeUnavailable."""
    check_given(request.evidence)
    answer = await _plan(runtime, call, request)
    chargeback_id = ids.parse(request.chargeback_id)
    effect_id = effect_id_of(call, chargeback_id, VERB)
    facts = {"chargeback_id": request.chargeback_id}
    await send_now(runtime, call, effect_id, mend=MEND, facts=facts)
    return answer


@mutation(pb.StageChargebackEvidenceResponse, of="stage_chargeback_evidence")
async def _plan(
    runtime: Runtime, unit: UnitOfWork, request: pb.StageChargebackEvidenceRequest
) -> pb.StageChargebackEvidenceResponse:
    case, assembled = await open_answer(runtime, unit, request.chargeback_id, request.evidence)
    known = assembled.chargeback
    effect_id = effect_id_of(unit.call, known.chargeback_id, VERB)
    effect = stage_evidence.plan(unit, known, assembled.fields, effect_id)
    row = sent(case, assembled, EvidenceStep.STAGED, effect)
    answer = pb.StageChargebackEvidenceResponse(evidence=sent_message(row, with_fields=False))
    return await runtime.save(unit, answer)
