"""An escrow, its milestones and what was bought."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service.domain import ids
from service.domain.fees import fee_part
from service.domain.settlement import QuotedConversion
from service.domain.states.escrow import ESCROW, EscrowEvent, EscrowState
from service.domain.states.machine import Machine
from service.domain.states.milestone import MILESTONE, MilestoneEvent, MilestoneState


@dataclass(slots=True)
class Escrow:
    """The agreement. ``version`` guards it and everything below it. The ``quoted_`` fields are of
    its conversion. ``decided_alone`` is by limit and currency what was decided of it without a
    second person since one last approved some ({"REFUNDS USD": minor}).
    """

    tenant_id: str
    escrow_id: UUID
    version: int
    reference: str
    payer_id: UUID
    payee_id: UUID
    currency: str
    state: EscrowState
    policy_version: int
    metadata: dict[str, str]
    created_at: datetime
    updated_at: datetime
    quoted_currency: str | None = None
    quoted_rate: Decimal | None = None
    decided_alone: dict[str, int] = field(default_factory=dict)

    @property
    def conversion(self) -> QuotedConversion | None:
        """What was quoted when it was created; None where Stripe need not convert."""
        if self.quoted_currency is None:
            return None
        return QuotedConversion(self.quoted_currency, self.quoted_rate)

    @property
    def machine(self) -> Machine[EscrowState, EscrowEvent]:
        return ESCROW

    @property
    def public_id(self) -> str:
        return ids.show(ids.ESCROW, self.escrow_id)


@dataclass(slots=True)
class Milestone:
    """The smallest thing that is funded, released or refunded. Fees are those of the whole amount;
    ``payer_fee_gone_minor`` is what of the payer's has gone with a part. ``funded_at`` is when
    Stripe had the money that funds it, and stays so: windows and limits count from it.
    ``delivered_at`` is that of the last delivery, also when that was sent back for changes.
    """

    tenant_id: str
    escrow_id: UUID
    milestone_id: UUID
    position: int
    title: str
    state: MilestoneState
    amount_minor: int
    payer_fee_minor: int
    payee_fee_minor: int
    funded_minor: int = 0
    released_minor: int = 0
    refunded_minor: int = 0
    lost_minor: int = 0
    frozen_minor: int = 0
    payer_fee_gone_minor: int = 0
    payment_id: UUID | None = None
    due_at: datetime | None = None
    delivered_at: datetime | None = None
    funded_at: datetime | None = None

    @property
    def is_sent_back(self) -> bool:
        """Whether the payee has to deliver again what the payer has had already."""
        return self.state is MilestoneState.FUNDED and self.delivered_at is not None

    @property
    def held_minor(self) -> int:
        gone = self.released_minor + self.refunded_minor + self.lost_minor
        return self.funded_minor - gone

    @property
    def releasable_minor(self) -> int:
        return self.held_minor - self.frozen_minor

    def payee_fee_of(self, part_minor: int, *, step_minor: int) -> int:
        """What of the payee's fee goes with the next part of what is held."""
        share = (self.amount_minor, self.funded_minor - self.held_minor, part_minor)
        return fee_part(self.payee_fee_minor, *share, step_minor=step_minor)

    def payer_fee_of(self, part_minor: int, *, step_minor: int) -> int:
        """What of the payer's fee goes with the next part of what is held.

        It is what is missing to the fee of all that has gone then, so that the parts add up to the
        fee, whatever went before, and came back.
        """
        after_minor = self.funded_minor - self.held_minor + part_minor
        shares = (self.amount_minor, 0, after_minor)
        due_minor = fee_part(self.payer_fee_minor, *shares, step_minor=step_minor)
        left_minor = self.payer_fee_minor - self.payer_fee_gone_minor
        return min(max(due_minor - self.payer_fee_gone_minor, 0), left_minor)

    @property
    def machine(self) -> Machine[MilestoneState, MilestoneEvent]:
        return MILESTONE

    @property
    def public_id(self) -> str:
        return ids.show(ids.MILESTONE, self.milestone_id)


@dataclass(slots=True)
class MilestonePayee:
    """One of several payees of a milestone. ``amount_minor`` is their part of its price, their fee
    included, and ``gone_minor`` what of that was released to them, or refunded before.
    ``basis_points`` is what was agreed, where it was a share of the price. ``redirected_from`` is
    the position of the part that an operator gave to this payee.
    """

    tenant_id: str
    escrow_id: UUID
    milestone_id: UUID
    position: int
    payee_id: UUID
    amount_minor: int
    payee_fee_minor: int
    gone_minor: int = 0
    basis_points: int | None = None
    redirected_from: int | None = None

    @property
    def left_minor(self) -> int:
        return self.amount_minor - self.gone_minor

    def payee_fee_of(self, part_minor: int, *, step_minor: int) -> int:
        """What of their fee goes with the next part."""
        share = (self.amount_minor, self.gone_minor, part_minor)
        return fee_part(self.payee_fee_minor, *share, step_minor=step_minor)


@dataclass(slots=True)
class LineItem:
    """One thing that was bought, as it was when the escrow was created."""

    tenant_id: str
    escrow_id: UUID
    milestone_id: UUID
    position: int
    name: str
    quantity: int
    unit_amount_minor: int
    sku: str
