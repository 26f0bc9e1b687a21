"""A payout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain import ids
from service.domain.states.machine import Machine
from service.domain.states.payout import PAYOUT, PayoutEvent, PayoutState


@dataclass(slots=True)
class Payout:
    """Money from a payee's Stripe account to their bank."""

    tenant_id: str
    payout_id: UUID
    payee_id: UUID
    amount_minor: int
    currency: str
    state: PayoutState
    created_at: datetime
    updated_at: datetime
    stripe_payout: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    arrival_at: datetime | None = None

    @property
    def machine(self) -> Machine[PayoutState, PayoutEvent]:
        return PAYOUT

    @property
    def public_id(self) -> str:
        return ids.show(ids.PAYOUT, self.payout_id)
