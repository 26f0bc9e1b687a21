"""What operators see, as the messages of the API: in words that say what can be done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from escrow.v1 import operator_service_pb2 as pb
from escrow.v1.money_pb2 import Money
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.states.effect import EffectState
from service.operations.messages import money, timestamp
from service.store.effects import Attempt
from service.store.stripe_events import InboxEntry
from service.store.suspense import SuspenseItem
from service.stripe.objects.values import our_id

# What an effect is for.
SUBJECTS: Mapping[EffectKind, str] = {
    EffectKind.CREATE_CUSTOMER: ids.PAYER,
    EffectKind.UPDATE_CUSTOMER: ids.PAYER,
    EffectKind.CREATE_ACCOUNT: ids.PAYEE,
    EffectKind.UPDATE_ACCOUNT: ids.PAYEE,
    EffectKind.SET_MANUAL_PAYOUTS: ids.PAYEE,
    EffectKind.CREATE_PAYMENT_INTENT: ids.PAYMENT,
    EffectKind.CREATE_CHECKOUT_SESSION: ids.PAYMENT,
    EffectKind.CAPTURE_PAYMENT: ids.PAYMENT,
    EffectKind.CANCEL_PAYMENT: ids.PAYMENT,
    EffectKind.CREATE_TRANSFER: ids.RELEASE,
    EffectKind.CREATE_PAYOUT: ids.PAYOUT,
    EffectKind.CREATE_REFUND: ids.REFUND,
    EffectKind.REVERSE_TRANSFER: ids.RECEIVABLE,
    EffectKind.UPLOAD_EVIDENCE: ids.CHARGEBACK,
    EffectKind.STAGE_EVIDENCE: ids.CHARGEBACK,
    EffectKind.SUBMIT_EVIDENCE: ids.CHARGEBACK,
}
SET_ASIDE = ("QUARANTINED", "SUSPENSE")


def effect_message(effect: Effect) -> pb.Effect:
    return pb.Effect(
        id=effect.public_id,
        kind=effect.kind,
        state=pb.EffectState.Value(f"EFFECT_STATE_{effect.state}"),
        needs_person=effect.needs_person,
        waiting_for=_waiting_for(effect),
        problem=": ".join(filter(None, map(effect.error.get, ("code", "message")))),
        amount=_amount(effect),
        escrow_id=ids.show(ids.ESCROW, effect.escrow_id) if effect.escrow_id else "",
        payee_id=ids.show(ids.PAYEE, effect.payee_id) if effect.payee_id else "",
        subject_id=ids.show(SUBJECTS[effect.kind], effect.subject_id),
        stripe_account=effect.stripe_account or "",
        stripe_object=effect.stripe_object or "",
        generation=effect.generation,
        attempts=effect.attempts,
        due_time=timestamp(effect.due_at),
        create_time=timestamp(effect.created_at),
        update_time=timestamp(effect.updated_at),
        etag=str(effect.version),
    )


def _waiting_for(effect: Effect) -> str:
    if effect.state is EffectState.SENDING:
        return "Stripe to answer"
    if effect.state is EffectState.PLANNED:
        return "its next try" if effect.error else "its turn"
    if effect.state is not EffectState.UNKNOWN:
        return ""
    if effect.needs_person:
        return (
            "an operator: what Stripe answers does not fit what was asked for. RetryEffect when it"
            " was mended, SettleEffect when another object is the right one, RejectEffect when"
            " nothing happened"
        )
    return "the next look-up at Stripe"


def _amount(effect: Effect) -> Money | None:
    amount_minor, currency = effect.request.get("amount"), effect.request.get("currency")
    if not isinstance(amount_minor, int) or not isinstance(currency, str):
        return None
    return money(amount_minor, currency.upper())


def attempt_message(attempt: Attempt) -> pb.EffectAttempt:
    return pb.EffectAttempt(
        attempt=attempt.attempt,
        generation=attempt.generation,
        start_time=timestamp(attempt.started_at),
        end_time=timestamp(attempt.ended_at),
        outcome=attempt.outcome or "",
        detail=attempt.detail or "",
    )


def event_message(entry: InboxEntry) -> pb.StripeEvent:
    event, state, reason, due_at = entry
    carried = carried_object(event.payload)
    escrow_id, object_id = our_id(carried, "escrow"), carried.get("id")
    return pb.StripeEvent(
        id=event.event_id,
        type=event.type,
        state=pb.StripeEventState.Value(f"STRIPE_EVENT_STATE_{state}"),
        needs_person=state in SET_ASIDE,
        reason=reason,
        object_id=object_id if isinstance(object_id, str) and object_id.isascii() else "",
        escrow_id=ids.show(ids.ESCROW, escrow_id) if escrow_id else "",
        stripe_account=event.account or "",
        endpoint=event.endpoint,
        api_version=event.api_version or "",
        livemode=event.livemode,
        attempts=event.attempts,
        create_time=timestamp(event.occurred_at),
        receive_time=timestamp(event.received_at),
        due_time=timestamp(due_at if state in ("RECEIVED", "PARKED") else None),
    )


def suspense_message(item: SuspenseItem) -> pb.SuspenseItem:
    return pb.SuspenseItem(
        account=item.account,
        amount=money(item.balance_minor, item.currency),
        payment_id=ids.show(ids.PAYMENT, item.payment_id) if item.payment_id else "",
        escrow_id=ids.show(ids.ESCROW, item.escrow_id) if item.escrow_id else "",
        payer_id=ids.show(ids.PAYER, item.payer_id) if item.payer_id else "",
        stripe_object=item.stripe_object or "",
        create_time=timestamp(item.since),
        what_to_do=_what_to_do(item),
    )


def _what_to_do(item: SuspenseItem) -> str:
    if item.payment_id:
        return (
            "ApplySuspense, if milestones of this escrow await exactly this amount, fees included;"
            " else RefundSuspense, for it is the payer's"
        )
    if item.escrow_id:
        return (
            "find out at Stripe what moved it; what it touches of this escrow is frozen, and"
            " LiftFreeze lets it move again"
        )
    return (
        "it touches nothing of ours, so nobody here owns it: ask whoever works in Stripe's"
        " dashboard, then Stripe"
    )


def carried_object(payload: bytes) -> dict[str, Any]:
    """What an event is about, as it says itself; empty where it says nothing that can be read."""
    body = json.loads(payload)  # it was read when it was stored
    data = body.get("data")
    carried = data.get("object") if isinstance(data, dict) else body.get("related_object")
    return carried if isinstance(carried, dict) else {}
