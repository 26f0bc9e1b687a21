"""A release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain import ids
from service.domain.states.machine import Machine
from service.domain.states.release import RELEASE, ReleaseEvent, ReleaseState


@dataclass(slots=True)
class Release:
    """A part of a milestone that now belongs to the payee.

    ``amount_minor`` is the part of the price, ``payee_share_minor`` what the payee gets of it;
    ``transfer_at`` is the earliest time of the next transfer while it waits; ``transfer_minor`` is
    what it takes where the payment was settled in another currency.
    """

    tenant_id: str
    release_id: UUID
    escrow_id: UUID
    milestone_id: UUID
    payee_id: UUID
    payment_id: UUID
    amount_minor: int
    payee_share_minor: int
    currency: str
    state: ReleaseState
    effect_id: UUID | None
    transfer_at: datetime
    created_at: datetime
    updated_at: datetime
    refusals: int = 0
    stripe_transfer: str | None = None
    refusal_code: str | None = None
    transfer_currency: str | None = None
    transfer_minor: int | None = None

    @property
    def transfer(self) -> tuple[int, str]:
        """What the transfer takes, and in which currency."""
        if self.transfer_minor is None or self.transfer_currency is None:
            return self.payee_share_minor, self.currency
        return self.transfer_minor, self.transfer_currency

    @property
    def machine(self) -> Machine[ReleaseState, ReleaseEvent]:
        return RELEASE

    @property
    def public_id(self) -> str:
        return ids.show(ids.RELEASE, self.release_id)
