"""A dispute between the payer and the payee of an escrow."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
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


class Offer(NamedTuple):
    """A split that one party offers. ``to_payees`` are amounts by "pye_..."; it is empty where what
    is not the payer's is divided by the payees' parts.
    """

    number: int
    by: Party
    to_payer_minor: int
    to_payees: dict[str, int]


@dataclass(slots=True)
class Dispute:
    """So much of a milestone's price, which both parties want.

    ``amount_minor`` is what was disputed, and ``lost_minor`` what of it went back to the payer by
    their bank, or by a refund at Stripe, while the parties argued. ``claim_minor`` is how much of
    the whole amount the opener wants to go to the payer. ``to_payer_minor`` and ``to_payees``
    (amounts by "pye_...") are the outcome, and make up what was left.

    Offers are numbered; ``offer`` is the last. Its amount is ``offer_minor``, or ``named_minor``
    where it names payees: a process that does not know the names cannot accept it then. What
    another one offers sets ``offer_minor`` only, and takes the place of it.

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
    named_minor: int | None = None
    named_payees: dict[str, int] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def left_minor(self) -> int:
        """What the parties still argue about."""
        return self.amount_minor - self.lost_minor

    @property
    def offer(self) -> Offer | None:
        """The last one, if it is not void."""
        if self.offer_by is None:
            return None
        if self.offer_minor is not None:
            return Offer(self.offer_number, self.offer_by, self.offer_minor, {})
        if self.named_minor is not None:
            return Offer(self.offer_number, self.offer_by, self.named_minor, self.named_payees)
        return None

    def make_offer(self, by: Party, to_payer_minor: int, to_payees: dict[str, int]) -> Offer:
        """It takes the place of the one before."""
        self.void_offer()
        self.offer_number += 1
        self.offer_by = by
        if to_payees:
            self.named_minor, self.named_payees = to_payer_minor, to_payees
        else:
            self.offer_minor = to_payer_minor
        return Offer(self.offer_number, by, to_payer_minor, to_payees)

    def void_offer(self) -> None:
        """Nobody can accept it any more."""
        self.offer_by = self.offer_minor = self.named_minor = None
        self.named_payees = {}

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
