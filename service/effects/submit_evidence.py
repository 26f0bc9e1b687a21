"""Gives evidence to the payer's bank, which is final: once for each stage of a dispute."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from service.aggregates.escrow import load_case_of_effect
from service.domain import ids
from service.domain.evidence import stage_of
from service.domain.records.chargeback import Chargeback
from service.domain.records.effect import Effect, EffectKind
from service.domain.unit import UnitOfWork
from service.effects import evidence
from service.effects.kind import Kind, no_change
from service.effects.renew import ask_again


def effect_id_of(known: Chargeback) -> UUID:
    """A stage of a dispute has one: two operators mean the same, and a second try is its next
    generation.
    """
    return ids.derive(known.chargeback_id, f"{EffectKind.SUBMIT_EVIDENCE}:{stage_of(known)}")


def plan(
    unit: UnitOfWork, known: Chargeback, fields: Mapping[str, str], rejected: Effect | None
) -> Effect:
    """``rejected`` is the effect where Stripe has refused it before."""
    effect_id = effect_id_of(known)
    generation = rejected.generation + 1 if rejected else 1
    request = evidence.parameters(known, fields, (effect_id, generation), submit=True)
    if rejected:
        ask_again(unit, rejected, request)
        return rejected
    return unit.plan(
        EffectKind.SUBMIT_EVIDENCE,
        effect_id,
        subject_id=known.chargeback_id,
        escrow_id=known.escrow_id,
        request=request,
    )


SUBMIT_EVIDENCE = Kind(
    evidence.send, evidence.find, load_case_of_effect, evidence.succeed, reject=no_change
)
