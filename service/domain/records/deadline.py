"""A deadline: what happens by itself when its time has come."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import ids


class DeadlineKind(StrEnum):
    """What a deadline is for."""

    PAYMENT = "PAYMENT"  # nobody has paid: what awaits funds expires
    DELIVERY = "DELIVERY"  # the milestone's due date: the payer may cancel from then on
    INSPECTION = "INSPECTION"  # the payer is silent: what is not frozen is released
    ANSWER = "ANSWER"  # nobody answers what one party asks of the other
    EVIDENCE = "EVIDENCE"  # Stripe takes no more evidence: people are warned before
    DISPUTE = "DISPUTE"  # whose turn it is in a dispute does nothing: what the policy says is done
    HOLD_LIMIT = "HOLD_LIMIT"  # Stripe holds money no longer: people are warned before


@dataclass(slots=True)
class Deadline:
    """Its row is there while it runs. ``subject_id`` is the milestone, proposal, chargeback or
    dispute that it is of, or the escrow.

    ``act_at`` is when a worker acts on it next: at a warning, at ``due_at``, or when it was put off
    to; None when nothing is left to do. ``warned_percent`` is how much of the time had passed at
    the last warning. ``tries`` counts how often a worker acted on it or was refused, and
    ``refusal`` is why it was put off last.
    """

    tenant_id: str
    escrow_id: UUID
    deadline_id: UUID
    subject_id: UUID
    kind: DeadlineKind
    starts_at: datetime
    due_at: datetime
    act_at: datetime | None
    warned_percent: int = 0
    tries: int = 0
    refusal: str | None = None

    @property
    def public_id(self) -> str:
        return ids.show(ids.DEADLINE, self.deadline_id)
