"""A payment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from service.domain import ids
from service.domain.money import CURRENCIES
from service.domain.states.machine import Machine
from service.domain.states.payment import PAYMENT, PaymentEvent, PaymentState


class PaymentMethod(StrEnum):
    """How a payer pays."""

    PAYMENT_INTENT = "PAYMENT_INTENT"
    CHECKOUT = "CHECKOUT"


class CaptureStrategy(StrEnum):
    """When a card payment takes the money."""

    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"


@dataclass(slots=True)
class Payment:
    """A payer's payment for the milestones that name it. ``amount_minor`` includes the fee.

    ``observed_at`` is Stripe's time of the newest news of it; of one that succeeded it stays when
    Stripe had the money. Where Stripe settled it in another currency, ``settled_minor`` is what it
    came to there, before Stripe's fee, and ``converted_minor`` how much of the amount has been
    converted since, at that rate, into ``converted_into_minor``.
    ``received_minor`` is what arrived where that is not the amount: it was captured in part.
    """

    tenant_id: str
    payment_id: UUID
    escrow_id: UUID
    payer_id: UUID
    method: PaymentMethod
    capture: CaptureStrategy
    amount_minor: int
    currency: str
    state: PaymentState
    created_at: datetime
    updated_at: datetime
    stripe_payment_intent: str | None = None
    stripe_checkout_session: str | None = None
    stripe_charge: str | None = None
    stripe_balance_transaction: str | None = None
    processing_fee_minor: int | None = None
    failure_code: str | None = None
    failure_decline_code: str | None = None
    failure_message: str | None = None
    observed_at: datetime | None = None
    settled_currency: str | None = None
    settled_minor: int | None = None
    converted_minor: int = 0
    received_minor: int | None = None
    converted_into_minor: int = 0

    @property
    def paid_minor(self) -> int:
        """What a payment that succeeded has brought."""
        return self.amount_minor if self.received_minor is None else self.received_minor

    @property
    def confirmed(self) -> bool:
        """Whether Stripe's API has shown the charge as settled. An event is not enough to send
        money to a payee: it is signed, and still only what a messenger says.
        """
        return self.stripe_balance_transaction is not None

    @property
    def machine(self) -> Machine[PaymentState, PaymentEvent]:
        return PAYMENT

    @property
    def public_id(self) -> str:
        return ids.show(ids.PAYMENT, self.payment_id)

    @property
    def exchange_rate(self) -> Decimal | None:
        """What one whole unit came to where Stripe settled it in another currency: 1.1 where 10.00
        EUR came to 11.00 USD.
        """
        if self.settled_currency is None or self.settled_minor is None:
            return None
        moved = CURRENCIES[self.currency] - CURRENCIES[self.settled_currency]
        return Decimal(self.settled_minor).scaleb(moved) / self.paid_minor

    def convert(self, part_minor: int) -> int:
        """The next part of the amount in the settled currency. All parts add up to what the charge
        came to: each is what is missing to the rounded-down running total.
        """
        assert self.settled_minor is not None
        self.converted_minor += part_minor
        after_minor = self.settled_minor * self.converted_minor // self.paid_minor
        into_minor = after_minor - self.converted_into_minor
        self.converted_into_minor = after_minor
        return into_minor

    def convert_back(self, part_minor: int, into_minor: int) -> None:
        """Takes back what ``convert`` said of a part."""
        self.converted_minor -= part_minor
        self.converted_into_minor -= into_minor
