"""What was sent to Stripe against a chargeback."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import ids


class EvidenceStep(StrEnum):
    """How far evidence went."""

    STAGED = "STAGED"  # it is at Stripe, and the bank has not got it
    SUBMITTED = "SUBMITTED"  # it is the bank's: once for each stage of a dispute


@dataclass(frozen=True, slots=True)
class SentEvidence:
    """One time that evidence was staged or submitted; its row never changes.

    ``given`` is what operators have put in the place of what the service assembles, or beside it,
    and ``fields`` all that was sent, both by Stripe's names. The effect in its generation says what
    came of it.
    """

    tenant_id: str
    evidence_id: UUID
    escrow_id: UUID
    chargeback_id: UUID
    step: EvidenceStep
    stage: str
    evidence_hash: str
    given: dict[str, str]
    fields: dict[str, str]
    effect_id: UUID
    generation: int
    caller: str
    created_at: datetime

    @property
    def public_id(self) -> str:
        return ids.show(ids.EVIDENCE, self.evidence_id)
