"""A freeze."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import ids
from service.domain.states.freeze import FREEZE, FreezeEvent, FreezeState
from service.domain.states.machine import Machine


class FreezeReason(StrEnum):
    """What moved or threatens the money, without having been asked for here."""

    REFUND = "REFUND"
    DISPUTE = "DISPUTE"  # between the parties
    CHARGEBACK = "CHARGEBACK"
    EARLY_FRAUD_WARNING = "EARLY_FRAUD_WARNING"
    TRANSFER_REVERSED = "TRANSFER_REVERSED"
    UNEXPLAINED = "UNEXPLAINED"
    RISK = "RISK"
    LEGAL = "LEGAL"
    KYC = "KYC"
    ADMIN = "ADMIN"


BY_OPERATOR = frozenset(
    {FreezeReason.RISK, FreezeReason.LEGAL, FreezeReason.KYC, FreezeReason.ADMIN}
)
"""For what an operator freezes."""


@dataclass(slots=True)
class Freeze:
    """An amount of a milestone that may not move. ``source`` is the id of its cause at Stripe, and
    ``fact`` what was known of that: its stage, or the balance transaction that moved the money. Of
    an operator's freeze they are the request that placed it, and who says why; of a dispute between
    the parties the source is its id, and of what such a dispute gave back and Stripe refused to
    refund, the refund's.

    ``amount_minor`` is what is held and frozen. ``beyond_minor`` is what the source threatens of
    the payment beyond what is held of it: it stops transfers that have not been requested.
    """

    tenant_id: str
    freeze_id: UUID
    escrow_id: UUID
    milestone_id: UUID
    payment_id: UUID
    state: FreezeState
    reason: FreezeReason
    source: str
    fact: str
    amount_minor: int
    beyond_minor: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        return self.state is FreezeState.OPEN

    @property
    def keeps_refund(self) -> bool:
        """It keeps for the payer what a dispute that has ended gave them."""
        return self.reason is FreezeReason.ADMIN and self.source.startswith(f"{ids.REFUND}_")

    @property
    def machine(self) -> Machine[FreezeState, FreezeEvent]:
        return FREEZE

    @property
    def public_id(self) -> str:
        return ids.show(ids.FREEZE, self.freeze_id)
