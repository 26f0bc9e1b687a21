"""A refund, and where its money was."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import ids
from service.domain.states.machine import Machine
from service.domain.states.milestone import MilestoneState
from service.domain.states.refund import REFUND, RefundEvent, RefundState


class RefundOrigin(StrEnum):
    """Where a part of a refund was before."""

    HELD = "HELD"
    PAYABLE = "PAYABLE"  # released, and not sent to the payee yet
    PAYEE = "PAYEE"  # released and sent: it comes back by itself, or is owed
    SUSPENSE = "SUSPENSE"  # a payment that nothing waited for


@dataclass(slots=True)
class Refund:
    """Money on its way back to the payer: one refund of one charge at Stripe, or what a lost
    chargeback took (``chargeback_id``).

    ``amount_minor`` is what the payer gets, in the currency that was paid. Where Stripe settled the
    charge in another, ``settled_minor`` is what that part of the charge came to there, and
    ``taken_minor`` what Stripe took for it at its own day's rate. ``disputed_minor`` is what it
    took of open disputes between the parties, where they did not ask for it: it is disputed again
    when it comes back.
    """

    tenant_id: str
    refund_id: UUID
    escrow_id: UUID
    payment_id: UUID
    state: RefundState
    amount_minor: int
    currency: str
    reason: str
    created_at: datetime
    updated_at: datetime
    effect_id: UUID | None = None
    stripe_refund: str | None = None
    failure_code: str | None = None
    settled_minor: int | None = None
    taken_minor: int | None = None
    balance_transaction: str | None = None
    failure_transaction: str | None = None
    chargeback_id: UUID | None = None
    disputed_minor: int = 0

    @property
    def in_flight(self) -> bool:
        """Whether its money is neither where it was nor has left the balance at Stripe."""
        if self.chargeback_id is not None:
            return False
        return self.balance_transaction is None or self.failure_transaction is not None

    def moved(self, taken_minor: int, fee_minor: int = 0) -> dict[str, int]:
        """The amounts of what moved for it: ``taken_minor`` is in the currency that Stripe settled,
        and "loss" or "gain" is the difference to what its part of the charge came to there.
        """
        settled_minor = taken_minor if self.settled_minor is None else self.settled_minor
        return {
            "amount": self.amount_minor,
            "taken": taken_minor,
            "fee": fee_minor,
            "loss": max(taken_minor - settled_minor, 0),
            "gain": max(settled_minor - taken_minor, 0),
        }

    @property
    def machine(self) -> Machine[RefundState, RefundEvent]:
        return REFUND

    @property
    def public_id(self) -> str:
        return ids.show(ids.REFUND, self.refund_id)


@dataclass(frozen=True, slots=True)
class RefundPart:
    """Where a part of a refund was. Of what was released, ``price_minor`` is the payee's share and
    the payee's fee; the payer gets ``price_minor`` and ``payer_fee_minor``.

    The ``settled_`` amounts are those of the charge in its settled currency, 0 where that is the
    currency that was paid; of what was held, all of it is in ``settled_share_minor``.
    ``state_before`` is the milestone's. ``payee_position`` says whose part it was of what was held
    for several payees.
    """

    tenant_id: str
    escrow_id: UUID
    refund_id: UUID
    position: int
    origin: RefundOrigin
    milestone_id: UUID | None
    release_id: UUID | None
    payee_id: UUID | None
    state_before: MilestoneState | None
    price_minor: int
    payer_fee_minor: int
    payee_share_minor: int
    settled_share_minor: int
    settled_payer_fee_minor: int
    settled_payee_fee_minor: int
    payee_position: int | None = None

    @property
    def amount_minor(self) -> int:
        """What the payer gets of it."""
        return self.price_minor + self.payer_fee_minor

    @property
    def payee_fee_minor(self) -> int:
        """What the platform gives back of what it had kept from the payee."""
        return self.price_minor - self.payee_share_minor

    @property
    def settled_minor(self) -> int:
        return (
            self.settled_share_minor + self.settled_payer_fee_minor + self.settled_payee_fee_minor
        )
