"""A receivable: what a payee owes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain import ids
from service.domain.states.machine import Machine
from service.domain.states.receivable import RECEIVABLE, ReceivableEvent, ReceivableState

REVERSED_AT_STRIPE = "reversed_at_stripe"
"""Why a transfer gives nothing back any more, in the place of a refusal's code."""


@dataclass(slots=True)
class Receivable:
    """What a payee owes, because their share of a release was refunded after it had left; or, where
    there is no ``release_id``, their part of the fee of a lost chargeback.

    Of ``amount_minor``, ``reversible_minor`` can come back by reversing the transfer, and is
    ``reversal_minor`` in the currency of that. What has come back, was netted from later releases,
    was written off, or is owed no more because the refund did not take place, is counted apart.
    ``brought_minor`` is what has come back in the currency of the reversal, pro rata where None.
    ``recover_at`` is the time of the next try of a reversal; None when there is none.
    """

    tenant_id: str
    receivable_id: UUID
    version: int
    payee_id: UUID
    escrow_id: UUID
    release_id: UUID | None
    refund_id: UUID
    state: ReceivableState
    amount_minor: int
    currency: str
    created_at: datetime
    updated_at: datetime
    reversible_minor: int
    reversal_currency: str
    reversal_minor: int
    stripe_account: str | None = None
    stripe_transfer: str | None = None
    reversed_minor: int = 0
    netted_minor: int = 0
    written_off_minor: int = 0
    canceled_minor: int = 0
    effect_id: UUID | None = None
    refusals: int = 0
    refusal_code: str | None = None
    recover_at: datetime | None = None
    brought_minor: int | None = None

    @property
    def owed_minor(self) -> int:
        gone = self.reversed_minor + self.netted_minor + self.written_off_minor
        return self.amount_minor - gone - self.canceled_minor

    @property
    def converts(self) -> bool:
        """Whether the payment was settled in another currency than the payee is owed in."""
        return self.reversal_currency != self.currency

    @property
    def next_reversal(self) -> tuple[int, int]:
        """What a reversal can bring now: of what is owed, and in the currency of the transfer."""
        part_minor = min(self.owed_minor, self.reversible_minor - self.reversed_minor)
        if part_minor <= 0:
            return 0, 0
        after_minor = self._reversal_of(self.reversed_minor + part_minor)
        return part_minor, max(after_minor - self.has_brought_minor, 0)

    @property
    def has_brought_minor(self) -> int:
        """What has come back of it, in the currency of the transfer."""
        if self.brought_minor is None:
            return self._reversal_of(self.reversed_minor)
        return self.brought_minor

    def part_of(self, reversal_minor: int) -> int:
        """What so much of the next reversal pays of what is owed."""
        part_minor, whole_minor = self.next_reversal
        if reversal_minor >= whole_minor:
            return part_minor
        return part_minor * reversal_minor // whole_minor

    def take_back(self, reversal_minor: int) -> int:
        """Counts so much of the next reversal as come back; answers what it paid."""
        part_minor = self.part_of(reversal_minor)
        self.brought_minor = self.has_brought_minor + reversal_minor
        self.reversed_minor += part_minor
        return part_minor

    def _reversal_of(self, part_minor: int) -> int:
        if not self.reversible_minor:
            return 0
        return self.reversal_minor * part_minor // self.reversible_minor

    @property
    def is_worthless(self) -> bool:
        """Whether the share was nothing in the currency of the transfer: the payee got nothing of
        it, and nothing can come back.
        """
        part_minor, reversal_minor = self.next_reversal
        return self.converts and part_minor > 0 and not reversal_minor

    @property
    def was_asked_for(self) -> bool:
        """Whether a reversal can bring nothing of it, or was refused: that is tried first. Until
        then the transfer may be under way, or the refund be refused.
        """
        return self.refusals > 0 or self.has_come_back or not self.next_reversal[0]

    @property
    def has_come_back(self) -> bool:
        """Whether somebody reversed at Stripe what would have paid it: an operator says whether
        that was for this.
        """
        return self.refusal_code == REVERSED_AT_STRIPE

    @property
    def can_be_netted(self) -> bool:
        """Whether it is taken of what the payee gets next: not where that would be twice."""
        return self.was_asked_for and not self.has_come_back

    @property
    def machine(self) -> Machine[ReceivableState, ReceivableEvent]:
        return RECEIVABLE

    @property
    def public_id(self) -> str:
        return ids.show(ids.RECEIVABLE, self.receivable_id)
