"""A chargeback, or an inquiry that may become one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain import ids
from service.domain.records.payment import Payment
from service.domain.states.chargeback import (
    CHARGEBACK,
    CHARGEBACK_OVER,
    ChargebackEvent,
    ChargebackState,
)
from service.domain.states.machine import Machine


@dataclass(slots=True)
class Chargeback:
    """One dispute at Stripe of a payment, as Stripe said last.

    ``amount_minor`` is what is disputed, in the currency that was paid; it may exceed the payment.
    ``withdrawn_minor``, ``reinstated_minor`` and ``fee_minor`` are what its balance transactions
    took, gave back and cost, in ``settled_currency``, which is None before the first of them. A fee
    that Stripe bills apart is not among them.

    ``movements`` and ``submissions``, with ``due_by`` and ``is_appeal``, tell which of two reads is
    newer; ``is_appeal`` stays set once its loss could be appealed against. ``openings`` counts how
    often it was opened, for what is opened again freezes again.

    ``lost_minor`` is what of the disputed amount that is, in the currency that was paid.

    Once it is settled (``settled_at``), ``settled_minor`` is what somebody bears of what is gone,
    in ``settled_currency``, and ``borne_minor`` what the platform bears of that. ``settlements``
    counts them, those among them that were taken back. ``lost_at`` is when it was lost last.
    ``passed_on_minor`` is what of the fee its payees bear.
    """

    tenant_id: str
    chargeback_id: UUID
    escrow_id: UUID
    payment_id: UUID
    state: ChargebackState
    stripe_dispute: str
    amount_minor: int
    currency: str
    reason: str
    opened_at: datetime
    created_at: datetime
    updated_at: datetime
    due_by: datetime | None = None
    settled_currency: str | None = None
    withdrawn_minor: int = 0
    reinstated_minor: int = 0
    fee_minor: int = 0
    movements: int = 0
    submissions: int = 0
    is_appeal: bool = False
    openings: int = 1
    lost_minor: int = 0
    lost_at: datetime | None = None
    settled_at: datetime | None = None
    settled_minor: int = 0
    borne_minor: int = 0
    settlements: int = 0
    passed_on_minor: int = 0

    @property
    def gone_minor(self) -> int:
        """What Stripe has taken for it and not given back, in the settled currency."""
        return self.withdrawn_minor - self.reinstated_minor

    @property
    def waits_for_evidence(self) -> bool:
        """Whether Stripe waits for evidence, and silence has a date. The state of an inquiry does
        not say that it was answered.
        """
        asks = self.state is ChargebackState.INQUIRY and not self.submissions
        waits = asks or self.state is ChargebackState.NEEDS_RESPONSE
        return waits and self.due_by is not None

    @property
    def is_unsettled(self) -> bool:
        """Whether it is over or lost, and somebody has to say who bears what is gone."""
        if self.state is ChargebackState.LOST and self.settled_at is None:
            return True
        returned = self.passed_on_minor > self.fee_minor  # of the fee, after payees had borne it
        return self.is_decided and (self.gone_minor != self.settled_minor or returned)

    @property
    def is_undecided(self) -> bool:
        """Whether Stripe has taken money for it, and the bank may still give it back."""
        return not self.is_decided and self.gone_minor > 0

    @property
    def is_decided(self) -> bool:
        """Whether there is an outcome, which may still be reopened."""
        return self.is_over or self.state is ChargebackState.LOST

    @property
    def is_over(self) -> bool:
        """Whether it threatens nothing any more."""
        return self.state in CHARGEBACK_OVER

    def threatens_minor(self, payment: Payment) -> int:
        """All of it; once it was settled, what Stripe has taken beyond that."""
        disputed_minor = self.amount_minor or payment.amount_minor  # an inquiry may not say
        if self.settled_at is None:
            return disputed_minor
        more_minor = max(self.gone_minor - self.settled_minor, 0)
        if not more_minor or self.settled_currency == payment.currency:
            return more_minor
        return self.lost_minor  # at which rate it was taken is not known: all of it

    @property
    def gives_free(self) -> bool:
        """Whether what it froze may move: it is over, and what Stripe had taken is on its way back
        or was never taken.
        """
        return self.is_over and (self.reinstated_minor > 0 or not self.withdrawn_minor)

    @property
    def fact(self) -> str:
        """Why it freezes, for a freeze that was lifted freezes again by another fact."""
        stage = "inquiry" if self.state is ChargebackState.INQUIRY else "chargeback"
        opening = stage if self.openings == 1 else f"{stage} {self.openings}"
        return f"{opening} after settlement {self.settlements}" if self.settled_at else opening

    @property
    def machine(self) -> Machine[ChargebackState, ChargebackEvent]:
        return CHARGEBACK

    @property
    def public_id(self) -> str:
        return ids.show(ids.CHARGEBACK, self.chargeback_id)
