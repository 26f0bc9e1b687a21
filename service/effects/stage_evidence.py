"""Puts evidence on a dispute at Stripe, where people can look at it: the bank does not get it."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from service.aggregates.escrow import load_case_of_effect
from service.domain.records.chargeback import Chargeback
from service.domain.records.effect import Effect, EffectKind
from service.domain.unit import UnitOfWork
from service.effects import evidence
from service.effects.kind import Kind, no_change


def plan(unit: UnitOfWork, known: Chargeback, fields: Mapping[str, str], effect_id: UUID) -> Effect:
    """Each request has its own: what is submitted later carries all of it anyway."""
    return unit.plan(
        EffectKind.STAGE_EVIDENCE,
        effect_id,
        subject_id=known.chargeback_id,
        escrow_id=known.escrow_id,
        request=evidence.parameters(known, fields, (effect_id, 1), submit=False),
    )


STAGE_EVIDENCE = Kind(
    evidence.send, evidence.find, load_case_of_effect, evidence.succeed, reject=no_change
)
