"""A chargeback that is being answered: its escrow for a change, and what would be sent."""

from __future__ import annotations

from collections.abc import Mapping

from service.aggregates.escrow import EscrowCase, open_case
from service.domain import ids
from service.domain.errors import ChargebackMissing, EvidenceBlocked
from service.domain.evidence import stage_of
from service.domain.records.effect import Effect
from service.domain.records.evidence import EvidenceStep, SentEvidence
from service.domain.unit import UnitOfWork
from service.effects.submit_evidence import effect_id_of
from service.operations.chargebacks.assemble import Assembled, assemble, at_stripe
from service.operations.chargebacks.existing import existing_chargeback
from service.runtime import Runtime
from service.store.commit import Overtaken


async def open_answer(
    runtime: Runtime, unit: UnitOfWork, chargeback_id: str, added: Mapping[str, str] | None = None
) -> tuple[EscrowCase, Assembled]:
    """What Stripe would take now; ``case.records.effect`` is the submission that it refused before.

    Raises:
        ChargebackMissing.
        InvalidField: what is added names a file that was not uploaded for it.
        EvidenceBlocked: it takes none.
    """
    tenant_id, named = unit.call.tenant_id, ids.parse(chargeback_id)
    found = await existing_chargeback(runtime, tenant_id, named)
    effect_id = effect_id_of(found)
    case = await open_case(
        runtime, unit, found.escrow_id, effect_id=effect_id, missing=ChargebackMissing
    )
    current = (c for c in case.records.chargebacks if c.chargeback_id == found.chargeback_id)
    known = next(current, None)
    if known is None or effect_id_of(known) != effect_id:
        raise Overtaken("the dispute has moved on meanwhile")
    given = await at_stripe(runtime, known, added or {})
    assembled = await assemble(runtime, known, case.records, given)
    blockers = assembled.blockers(case.records.effect, unit.now)
    if blockers:
        raise EvidenceBlocked(blockers, chargeback_id=chargeback_id)
    return case, assembled


def sent(
    case: EscrowCase, assembled: Assembled, step: EvidenceStep, effect: Effect
) -> SentEvidence:
    """The row of what is being sent, in the commit that decides on it."""
    unit, known = case.unit, assembled.chargeback
    case.touch()  # whoever else answers at the same time is run again, and sees this
    row = SentEvidence(
        tenant_id=known.tenant_id,
        evidence_id=unit.new_id(),
        escrow_id=known.escrow_id,
        chargeback_id=known.chargeback_id,
        step=step,
        stage=stage_of(known),
        evidence_hash=assembled.hash,
        given=dict(assembled.given),
        fields=dict(assembled.fields),
        effect_id=effect.effect_id,
        generation=effect.generation,
        caller=unit.call.caller,
        created_at=unit.now,
    )
    unit.put(row)
    unit.note = f"{known.public_id}: evidence {row.evidence_hash} is {step.lower()}"
    return row
