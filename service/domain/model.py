"""The records that operations decide on, as they are stored. Amounts are in minor units.

The fields of a record are the columns of its table, in the order in which they are written
(migrations/0001). An operation changes a record and puts it into its unit of work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from service.domain.lifecycle import (
    EffectState,
    EscrowState,
    MilestoneState,
    PayeeState,
    PaymentState,
    PayoutState,
    ReleaseState,
)


class PaymentMethod(StrEnum):
    """How a payer pays."""

    PAYMENT_INTENT = "PAYMENT_INTENT"
    CHECKOUT = "CHECKOUT"


class CaptureStrategy(StrEnum):
    """When a card payment takes the money."""

    AUTOMATIC = "AUTOMATIC"
    MANUAL = "MANUAL"


class AccountApi(StrEnum):
    """Which of Stripe's account APIs made a payee's account."""

    V1 = "V1"
    V2 = "V2"


class EffectKind(StrEnum):
    """The calls to Stripe that must happen exactly once."""

    CREATE_CUSTOMER = "create_customer"
    CREATE_ACCOUNT = "create_account"
    SET_MANUAL_PAYOUTS = "set_manual_payouts"
    CREATE_PAYMENT_INTENT = "create_payment_intent"
    CREATE_CHECKOUT_SESSION = "create_checkout_session"
    CAPTURE_PAYMENT = "capture_payment"
    CANCEL_PAYMENT = "cancel_payment"
    CREATE_TRANSFER = "create_transfer"
    CREATE_PAYOUT = "create_payout"


@dataclass(slots=True)
class Escrow:
    """The agreement. ``version`` guards it and everything below it."""

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


@dataclass(slots=True)
class Milestone:
    """The smallest thing that is funded or released. Fees are those of the whole amount."""

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
    payment_id: UUID | None = None
    due_at: datetime | None = None
    delivered_at: datetime | None = None

    @property
    def held_minor(self) -> int:
        gone = self.released_minor + self.refunded_minor + self.lost_minor
        return self.funded_minor - gone

    @property
    def releasable_minor(self) -> int:
        return self.held_minor - self.frozen_minor


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


@dataclass(slots=True)
class Payment:
    """A payer's payment for the milestones that name it. ``amount_minor`` includes the fee.

    ``observed_at`` is Stripe's time of the newest thing that was told about it.
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


@dataclass(slots=True)
class Release:
    """A part of a milestone that now belongs to the payee.

    ``amount_minor`` is the part of the price, ``payee_share_minor`` what the payee gets of it;
    ``transfer_at`` is the earliest time of the next transfer while it waits.
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


@dataclass(slots=True)
class Payer:
    """Who pays."""

    tenant_id: str
    payer_id: UUID
    version: int
    reference: str
    name: str
    email: str
    stripe_customer: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True)
class Payee:
    """Who is paid. ``version`` guards it and its payouts."""

    tenant_id: str
    payee_id: UUID
    version: int
    reference: str
    name: str
    email: str
    country: str
    account_api: AccountApi
    state: PayeeState
    stripe_account: str | None
    requirements_due: list[str]
    created_at: datetime
    updated_at: datetime


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


@dataclass(slots=True)
class Effect:
    """A call to Stripe as a row, before it is a call.

    ``request`` holds the parameters as Stripe takes them. ``subject_id`` is the payment, release,
    payout, payer or payee that it is for. Stripe's idempotency key derives from (kind, id,
    generation); ``key_used_at`` is when the key of this generation was first sent. ``traceparent``
    names the span that decided on this generation, so that sending it belongs to the same trace.
    """

    tenant_id: str
    effect_id: UUID
    version: int
    kind: EffectKind
    state: EffectState
    generation: int
    subject_id: UUID
    escrow_id: UUID | None
    payee_id: UUID | None
    stripe_account: str | None
    request: dict[str, Any]
    due_at: datetime
    created_at: datetime
    updated_at: datetime
    attempts: int = 0
    key_used_at: datetime | None = None
    lease_expires_at: datetime | None = None
    stripe_object: str | None = None
    error: dict[str, str] = field(default_factory=dict)
    traceparent: str = ""
