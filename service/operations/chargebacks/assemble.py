"""Evidence as it is now: what the records say, and what operators gave."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from service.aggregates.evidence import blockers_of_evidence
from service.domain import ids
from service.domain.blocker import Blocker
from service.domain.errors import ChargebackMissing, FieldViolation, InvalidField
from service.domain.evidence import FILES, TEXTS, hash_of
from service.domain.records.chargeback import Chargeback
from service.domain.records.effect import Effect, EffectKind
from service.domain.states.effect import EffectState
from service.operations.chargebacks.evidence_texts import Known, texts_of
from service.operations.chargebacks.evidence_timeline import MOST_READ, read_timeline
from service.runtime import Runtime
from service.store.effects import find_effect
from service.store.evidence import find_last_evidence
from service.store.origins import find_origins
from service.store.tables import EscrowRecords

NO_FILE = (
    "must be the id of a file that was uploaded for this chargeback"
    " (UploadChargebackEvidenceFile): evf_..."
)
_IS_FILE = re.compile(rf"{ids.EVIDENCE_FILE}_[0-9a-f]{{32}}").fullmatch


@dataclass(frozen=True, slots=True)
class Assembled:
    """All that would be sent, and what of it operators gave; both by Stripe's names."""

    chargeback: Chargeback
    given: Mapping[str, str]
    fields: Mapping[str, str]

    @property
    def hash(self) -> str:
        return hash_of(self.chargeback, self.fields)

    def blockers(self, submission: Effect | None, now: datetime) -> list[Blocker]:
        return blockers_of_evidence(self.chargeback, self.fields, submission, now)


async def assemble(
    runtime: Runtime,
    known: Chargeback,
    records: EscrowRecords,
    added: Mapping[str, str] | None = None,
) -> Assembled:
    """With what was given before, and what is ``added`` to it now.

    Raises:
        ChargebackMissing: its row names no payment of the escrow.
    """
    if all(each.payment_id != known.payment_id for each in records.payments):
        raise ChargebackMissing
    policy = await runtime.policies.get(known.tenant_id, records.escrow.policy_version)
    timeline = await read_timeline(runtime, known.tenant_id, known.escrow_id)
    last = await find_last_evidence(runtime.pool, known.tenant_id, known.chargeback_id)
    given = {**(last.given if last else {}), **(added or {})}
    pool, tenant_id = runtime.pool, known.tenant_id
    told = await find_origins(pool, tenant_id, known.escrow_id, limit=MOST_READ)
    origins = {each.escrow_version: each for each in told}
    fields = texts_of(Known(known, records, policy, timeline, origins))
    return Assembled(known, given, {**fields, **given})


def check_given(given: Mapping[str, str]) -> None:
    """Raises InvalidField: Stripe has no such field, or takes less, or nothing is said."""
    wrong = [FieldViolation(f'evidence["{name}"]', why) for name, why in _wrong(given).items()]
    if wrong:
        raise InvalidField(*wrong)


async def at_stripe(
    runtime: Runtime, known: Chargeback, given: Mapping[str, str]
) -> dict[str, str]:
    """What was given, with the ids that its files have at Stripe.

    Raises:
        InvalidField: a file is not there, or not of this chargeback.
    """
    found = dict(given)
    for name in found.keys() & set(FILES):
        file_id = ids.parse(found[name])
        effect = await find_effect(runtime.pool, known.tenant_id, file_id)
        if effect is None or not _is_file_of(effect, known):
            raise InvalidField(FieldViolation(f'evidence["{name}"]', NO_FILE))
        found[name] = effect.stripe_object or ""
    return found


def _is_file_of(effect: Effect, known: Chargeback) -> bool:
    theirs = effect.subject_id == known.chargeback_id
    uploaded = effect.state is EffectState.SUCCEEDED
    return theirs and uploaded and effect.kind is EffectKind.UPLOAD_EVIDENCE


def _wrong(given: Mapping[str, str]) -> dict[str, str]:
    complaints = {}
    for name, text in sorted(given.items()):
        if name in FILES:
            if not _IS_FILE(text):
                complaints[name] = NO_FILE
        elif name not in TEXTS:
            known = ", ".join((*TEXTS, *FILES))
            complaints[name] = f"is no field of Stripe's evidence: use {known}"
        elif len(text) > TEXTS[name]:
            complaints[name] = f"has {len(text):,} characters, and Stripe takes {TEXTS[name]:,}"
        elif not text.strip():
            complaints[name] = "must not be empty: what was given is replaced, not taken back"
    return complaints
