"""Reads a payment: everything a payment page needs, asked of Stripe at this moment."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import structlog

from escrow.v1 import escrow_service_pb2 as pb
from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import open_case
from service.aggregates.payment import observe_payment
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import PaymentMissing
from service.domain.records.payment import Payment, PaymentMethod
from service.domain.states.payment import PAYMENT_ENDED, PaymentState
from service.domain.unit import UnitOfWork
from service.operations.payments.messages import payment_message
from service.runtime import Runtime, rerun
from service.store.commit import StripeObjectTaken
from service.store.escrows import BY_PAYMENT, find_escrow
from service.store.tables import EscrowRecords
from service.stripe.objects.checkout_session import parse_page
from service.stripe.objects.payment_intent import PaymentObservation, parse_payment_intent
from service.stripe.objects.values import Unreadable, id_of

log = structlog.get_logger()
PAYABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


async def get_payment(
    runtime: Runtime, call: Call, request: pb.GetPaymentRequest
) -> pb.GetPaymentResponse:
    """Raises PaymentMissing, StripeUnavailable."""
    payment = await present_payment(runtime, call, ids.parse(request.payment_id))
    return pb.GetPaymentResponse(payment=payment)


async def present_payment(runtime: Runtime, call: Call, payment_id: UUID) -> pb.Payment:
    """The payment as the payer has to see it now.

    While it is open it is read from Stripe: for the client secret, which is never stored, and
    because what happened there counts even when its event has not come. So it is while its fee is
    not known.
    """
    records, payment = await _find(runtime, call.tenant_id, payment_id)
    try:
        live = await _fetch(runtime, payment)
    except Unreadable as problem:  # what is known is still an answer
        log.warning("payment unreadable", payment=payment_id.hex, problem=str(problem))
        live = None
    if live is None:
        return payment_message(records, payment)
    seen, intent, session = live
    await _observe(runtime, call, payment_id, seen)
    # Read again also when that was not news: an event may have seen it since the first reading.
    records, payment = await _find(runtime, call.tenant_id, payment_id)
    message = payment_message(records, payment)
    if payment.state in PAYMENT_ENDED or not call.may_pay:
        return message  # the secret and the page are for the payer only
    if intent and intent.get("status") in PAYABLE and payment.method is not PaymentMethod.CHECKOUT:
        message.client_secret = intent.get("client_secret") or ""
    action = (intent or {}).get("next_action") or {}
    if action:
        message.next_action.type = str(action.get("type") or "")
        message.next_action.redirect_url = str(
            (action.get("redirect_to_url") or {}).get("url") or ""
        )
    if session and session.get("status") == "open":
        message.checkout_url = session.get("url") or ""
    return message


async def _find(
    runtime: Runtime, tenant_id: str, payment_id: UUID
) -> tuple[EscrowRecords, Payment]:
    records = await find_escrow(runtime.pool, tenant_id, payment_id, by=BY_PAYMENT)
    if records is None:
        raise PaymentMissing
    return records, next(p for p in records.payments if p.payment_id == payment_id)


async def _fetch(
    runtime: Runtime, payment: Payment
) -> tuple[PaymentObservation, dict[str, Any] | None, dict[str, Any] | None] | None:
    """What Stripe says now, with its intent and session; None when nothing can be new."""
    gateway = runtime.stripe[payment.tenant_id]
    intent_id = payment.stripe_payment_intent
    ended = payment.state in PAYMENT_ENDED
    if ended and not _awaits_fee(payment):
        return None
    if payment.stripe_checkout_session and not ended:
        session = await gateway.fetch_checkout_session(payment.stripe_checkout_session)
        intent_id = intent_id or id_of(session, "payment_intent")
        intent = await gateway.fetch_payment_intent(intent_id) if intent_id else None
        return parse_page(session, intent), intent, session
    if not intent_id:
        return None
    intent = await gateway.fetch_payment_intent(intent_id)
    return parse_payment_intent(intent, None), intent, None


def _awaits_fee(payment: Payment) -> bool:
    """It is paid, and what Stripe keeps of it is seen later: by an event, which may not come."""
    return payment.state is PaymentState.SUCCEEDED and not payment.stripe_balance_transaction


async def _observe(
    runtime: Runtime, call: Call, payment_id: UUID, seen: PaymentObservation
) -> None:
    """Books what was read, as an operation of its own, if any of it is new."""
    key = f"read:{uuid4().hex}"
    stripe_call = Call(call.tenant_id, "stripe", Party.STRIPE, key, call.traceparent)

    async def story(unit: UnitOfWork) -> None:
        case = await open_case(runtime, unit, payment_id, by=BY_PAYMENT, missing=PaymentMissing)
        if observe_payment(case, case.payment(payment_id), seen):
            await runtime.commit(unit)

    try:
        await rerun(runtime, stripe_call, "read_payment", story)
    except (Contradiction, StripeObjectTaken, Unreadable) as problem:
        log.warning("payment contradicts", payment=payment_id.hex, problem=str(problem))
