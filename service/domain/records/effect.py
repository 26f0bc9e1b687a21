"""An effect: a call to Stripe as a row."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from service.domain import ids
from service.domain.states.effect import EFFECT, EffectEvent, EffectState
from service.domain.states.machine import Machine


class EffectKind(StrEnum):
    """The calls to Stripe that must happen exactly once."""

    CREATE_CUSTOMER = "create_customer"
    UPDATE_CUSTOMER = "update_customer"
    CREATE_ACCOUNT = "create_account"
    UPDATE_ACCOUNT = "update_account"
    SET_MANUAL_PAYOUTS = "set_manual_payouts"
    CREATE_PAYMENT_INTENT = "create_payment_intent"
    CREATE_CHECKOUT_SESSION = "create_checkout_session"
    CAPTURE_PAYMENT = "capture_payment"
    CANCEL_PAYMENT = "cancel_payment"
    CREATE_TRANSFER = "create_transfer"
    CREATE_PAYOUT = "create_payout"
    CREATE_REFUND = "create_refund"
    REVERSE_TRANSFER = "reverse_transfer"
    UPLOAD_EVIDENCE = "upload_evidence"
    STAGE_EVIDENCE = "stage_evidence"
    SUBMIT_EVIDENCE = "submit_evidence"


NEEDS_PERSON = "needs_person"
"""The key in an effect's ``error`` that says that somebody has to look."""


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

    @property
    def machine(self) -> Machine[EffectState, EffectEvent]:
        return EFFECT

    @property
    def needs_person(self) -> bool:
        """Whether Stripe's last answer does not fit what was asked for."""
        return NEEDS_PERSON in self.error

    @property
    def public_id(self) -> str:
        return ids.show(ids.EFFECT, self.effect_id)
