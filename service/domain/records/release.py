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
    """A part of a milestone that belongs to the payee.

    Amounts are what of it stands: a refund takes its part out of them. ``amount_minor`` is the part
    of the price, ``payee_share_minor`` what the payee gets of it, ``payer_fee_minor`` what the
    platform earned of the payer's fee; the ``settled_`` fees are the same where the payment was
    settled in another currency. Of the share, ``netted_minor`` has paid what the payee owed, and
    the rest is for the transfer. Below zero it gives back what had paid a debt, and has no price.

    ``transfer_at`` is the earliest time of the next transfer while it waits. ``sent_minor`` is what
    the transfer takes of the share, ``recalled_minor`` what of that is to come back, or has,
    and ``recalled_transfer_minor`` the same in the currency of the transfer, pro rata where None.
    ``transfer_minor`` is what the transfer takes where the payment was settled in another currency,
    ``destination`` the account at Stripe that it goes to.
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
    payer_fee_minor: int = 0
    netted_minor: int = 0
    sent_minor: int | None = None
    recalled_minor: int = 0
    settled_payer_fee_minor: int = 0
    settled_payee_fee_minor: int = 0
    destination: str | None = None
    recalled_transfer_minor: int | None = None

    @property
    def payee_fee_minor(self) -> int:
        return self.amount_minor - self.payee_share_minor

    @property
    def gives_back(self) -> bool:
        """Whether it gives back what had paid a debt that is owed no more: out of the platform's
        money, not out of what was paid.
        """
        return self.netted_minor < 0

    @property
    def unsent_minor(self) -> int:
        """What of the share is for the transfer, while it waits for one."""
        return self.payee_share_minor - self.netted_minor

    @property
    def taken_minor(self) -> int:
        """What of the share the transfer takes, or will take."""
        return self.unsent_minor if self.sent_minor is None else self.sent_minor

    @property
    def transfer(self) -> tuple[int, str]:
        """What the transfer takes, and in which currency."""
        if self.transfer_minor is None or self.transfer_currency is None:
            return self.taken_minor, self.currency
        return self.transfer_minor, self.transfer_currency

    @property
    def recalled_of_transfer(self) -> int:
        """What of the transfer is to come back, or has, in its currency."""
        if self.recalled_transfer_minor is not None or not self.sent_minor:
            return self.recalled_transfer_minor or 0
        return self.transfer[0] * self.recalled_minor // self.sent_minor

    @property
    def standing(self) -> tuple[int, int]:
        """What of the transfer is the payee's still: of their share, and in its currency."""
        share_minor = (self.sent_minor or 0) - self.recalled_minor
        return share_minor, self.transfer[0] - self.recalled_of_transfer

    def recall_of(self, share_minor: int) -> int:
        """What the next part of a share that was sent is in the currency of the transfer."""
        if not self.sent_minor or not share_minor:
            return 0
        standing_minor, of_transfer_minor = self.standing
        if share_minor == standing_minor:
            return of_transfer_minor
        after_minor = self.transfer[0] * (self.recalled_minor + share_minor) // self.sent_minor
        return min(max(after_minor - self.recalled_of_transfer, 0), of_transfer_minor)

    def recall(self, share_minor: int, of_transfer_minor: int) -> None:
        """Counts a part of what was sent as what is to come back; below zero, as what is not."""
        recalled_minor = self.recalled_of_transfer + of_transfer_minor
        self.recalled_minor += share_minor
        self.recalled_transfer_minor = recalled_minor

    @property
    def machine(self) -> Machine[ReleaseState, ReleaseEvent]:
        return RELEASE

    @property
    def public_id(self) -> str:
        return ids.show(ids.RELEASE, self.release_id)
