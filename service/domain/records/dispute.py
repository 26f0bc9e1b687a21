"""A dispute between the payer and the payee of an escrow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.domain import ids
from service.domain.call import Party
from service.domain.states.dispute import DISPUTE, OPEN_STATES, DisputeEvent, DisputeState
from service.domain.states.machine import Machine


class DisputeReason(StrEnum):
    """What the parties disagree about."""

    NOT_DELIVERED = "NOT_DELIVERED"
    NOT_AS_AGREED = "NOT_AS_AGREED"
    INCOMPLETE = "INCOMPLETE"
    LATE = "LATE"
    NOT_ACCEPTED = "NOT_ACCEPTED"  # the payee's: the payer refuses what was delivered
    OTHER = "OTHER"


@dataclass(slots=True)
class Dispute:
    """So much of a milestone's price, which both parties want.

    ``amount_minor`` is what was disputed, and ``lost_minor`` what of it went back to the payer by
    their bank, or by a refund at Stripe, while the parties argued. ``claim_minor`` is how much of
    the whole amount the opener wants to go to the payer, ``offer_minor`` the same of the last
    offer; offers are numbered. ``to_payer_minor`` and ``to_payees`` (amounts by "pye_...") are the
    outcome, and make up what was left.

    ``people`` are the names of who acted for a party: none of them may resolve it.
    """

    tenant_id: str
    escrow_id: UUID
    dispute_id: UUID
    milestone_id: UUID
    state: DisputeState
    opened_by: Party
    amount_minor: int
    currency: str
    reason: DisputeReason
    statement: str
    claim_minor: int
    people: list[str]
    created_at: datetime
    updated_at: datetime
    lost_minor: int = 0
    answer: str | None = None
    answered_at: datetime | None = None
    offer_number: int = 0
    offer_by: Party | None = None
    offer_minor: int | None = None
    to_payer_minor: int | None = None
    to_payees: dict[str, int] = field(default_factory=dict)
    decided_by: str | None = None
    decision: str | None = None
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def left_minor(self) -> int:
        """What the parties still argue about."""
        return self.amount_minor - self.lost_minor

    @property
    def other_party(self) -> Party:
        """Who has to answer it."""
        return Party.PAYEE if self.opened_by is Party.PAYER else Party.PAYER

    def still_to_payer(self, wanted_minor: int) -> int:
        """What the payer gets of what is left, where so much of the whole was to be theirs: what
        their bank gave them counts.
        """
        return min(max(wanted_minor - self.lost_minor, 0), self.left_minor)

    @property
    def machine(self) -> Machine[DisputeState, DisputeEvent]:
        return DISPUTE

    @property
    def public_id(self) -> str:
        return ids.show(ids.DISPUTE, self.dispute_id)
