"""A payment intent, and what it shows of a payment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.domain.records.balance_transaction import BalanceTransaction
from service.domain.states.payment import PaymentState
from service.stripe.objects.balance_transaction import parse_balance_transaction
from service.stripe.objects.values import (
    Object,
    Unreadable,
    id_of,
    minor,
    optional_text,
    our_id,
    part,
    text,
    time_of,
)

INTENT_STATES: Mapping[str, PaymentState] = {
    "requires_payment_method": PaymentState.REQUIRES_PAYMENT_METHOD,
    "requires_confirmation": PaymentState.REQUIRES_PAYMENT_METHOD,
    "requires_action": PaymentState.REQUIRES_ACTION,
    "processing": PaymentState.PROCESSING,
    "requires_capture": PaymentState.REQUIRES_CAPTURE,
    "succeeded": PaymentState.SUCCEEDED,
    "canceled": PaymentState.CANCELED,
}


@dataclass(frozen=True, slots=True)
class PaymentObservation:
    """What Stripe shows of a payment.

    ``amount_minor`` is what is asked for, ``received_minor`` what was paid; ``effect`` is our id in
    the metadata. ``refunded_minor`` and ``disputed`` are of the charge, if it is shown. None is
    what the object does not say. ``seen_at`` is Stripe's time of the news;
    None when it was fetched just now, which is newest. ``paid_at`` is Stripe's time of the success,
    where something tells it.
    """

    state: PaymentState
    seen_at: datetime | None
    payment_intent: str | None = None
    checkout_session: str | None = None
    charge: str | None = None
    amount_minor: int | None = None
    received_minor: int = 0
    currency: str = ""
    customer: str | None = None
    effect: UUID | None = None
    transfer_group: str | None = None
    refunded_minor: int = 0
    disputed: bool = False
    balance: BalanceTransaction | None = None
    failure_code: str | None = None
    failure_decline_code: str | None = None
    failure_message: str | None = None
    paid_at: datetime | None = None


def parse_payment_intent(intent: Object, seen_at: datetime | None) -> PaymentObservation:
    """``seen_at`` is None for an intent that was fetched just now. Only then its balance
    transaction counts: a fee is for Stripe's API to say, not for an event.
    """
    status = text(intent, "status")
    if status not in INTENT_STATES:
        raise Unreadable(f"payment intent status {status!r} is not known")
    charge = intent.get("latest_charge")
    failure = part(intent, "last_payment_error")
    balance = (
        charge.get("balance_transaction")
        if isinstance(charge, Mapping) and seen_at is None
        else None
    )
    shown = charge if isinstance(charge, Mapping) else {}
    settled = parse_balance_transaction(balance) if isinstance(balance, Mapping) else None
    currency = text(intent, "currency").upper()
    if settled and settled.currency != currency and settled.exchange_rate is None:
        raise Unreadable(f"{settled.id} turns {currency} into {settled.currency} at no rate")
    return PaymentObservation(
        refunded_minor=minor(shown, "amount_refunded") if "amount_refunded" in shown else 0,
        disputed=shown.get("disputed") is True,
        state=INTENT_STATES[status],
        seen_at=seen_at,
        payment_intent=text(intent, "id"),
        charge=id_of(intent, "latest_charge"),
        amount_minor=minor(intent, "amount"),
        received_minor=minor(intent, "amount_received"),
        currency=currency,
        customer=id_of(intent, "customer"),
        effect=our_id(intent, "effect"),
        transfer_group=optional_text(intent, "transfer_group"),
        balance=settled,
        failure_code=optional_text(failure, "code"),
        failure_decline_code=optional_text(failure, "decline_code"),
        failure_message=optional_text(failure, "message"),
        paid_at=_paid_at(intent, shown),
    )


def _paid_at(intent: Object, charge: Object) -> datetime | None:
    """A card is charged when it pays. Not so where money is held first and captured later, and a
    bank debit succeeds days after its charge was made: of these only an event tells when.
    """
    by_card = part(charge, "payment_method_details").get("type") == "card"
    if not by_card or intent.get("capture_method") == "manual":
        return None
    return time_of(charge.get("created")) if intent.get("status") == "succeeded" else None
