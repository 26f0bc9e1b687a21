"""Reads a payment: everything a payment page needs, asked of Stripe at this moment."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import structlog

from escrow.v1 import escrow_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import PaymentMissing
from service.domain.lifecycle import PAYMENT_ENDED, PaymentState
from service.domain.model import Payment, PaymentMethod
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.house import House, rerun
from service.operations.messages import payment_message
from service.operations.observe_payment import Contradiction, observe_payment
from service.store.escrows import BY_PAYMENT, EscrowRecords, read_escrow
from service.stripe import reading
from service.stripe.reading import PaymentObservation, Unreadable

log = structlog.get_logger()
PAYABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


async def get_payment(
    house: House, call: Call, request: pb.GetPaymentRequest
) -> pb.GetPaymentResponse:
    """Raises PaymentMissing, StripeUnavailable."""
    payment = await present_payment(house, call, ids.read(request.payment_id))
    return pb.GetPaymentResponse(payment=payment)


async def present_payment(house: House, call: Call, payment_id: UUID) -> pb.Payment:
    """The payment as the payer has to see it now.

    While it is open it is read from Stripe: for the client secret, which is never stored, and
    because what happened there counts even when its event has not come. So it is while its fee is
    not known.
    """
    records, payment = await _read(house, call.tenant_id, payment_id)
    try:
        live = await _read_live(house, payment)
    except Unreadable as problem:  # what is known is still an answer
        log.warning("payment unreadable", payment=payment_id.hex, problem=str(problem))
        live = None
    if live is None:
        return payment_message(records, payment)
    told, intent, session = live
    await _observe(house, call, payment_id, told)
    # Read again also when that was not news: an event may have told it since the first reading.
    records, payment = await _read(house, call.tenant_id, payment_id)
    message = payment_message(records, payment)
    if payment.state in PAYMENT_ENDED:
        return message
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


async def _read(house: House, tenant_id: str, payment_id: UUID) -> tuple[EscrowRecords, Payment]:
    records = await read_escrow(house.pool, tenant_id, payment_id, by=BY_PAYMENT)
    if records is None:
        raise PaymentMissing
    return records, next(p for p in records.payments if p.payment_id == payment_id)


async def _read_live(
    house: House, payment: Payment
) -> tuple[PaymentObservation, dict[str, Any] | None, dict[str, Any] | None] | None:
    """What Stripe says now, with its intent and session; None when nothing can be new."""
    gateway = house.stripe[payment.tenant_id]
    intent_id, session = payment.stripe_payment_intent, None
    ended = payment.state in PAYMENT_ENDED
    if ended and not _awaits_fee(payment):
        return None
    if payment.stripe_checkout_session and not ended:
        session = await gateway.read_checkout_session(payment.stripe_checkout_session)
        told = reading.read_checkout_session(session, None)
        intent_id = intent_id or told.payment_intent
        if not intent_id:
            return told, None, session
    if not intent_id:
        return None
    intent = await gateway.read_payment_intent(intent_id)
    return reading.read_payment_intent(intent, None), intent, session


def _awaits_fee(payment: Payment) -> bool:
    """It is paid, and what Stripe keeps of it is told later: by an event, which may not come."""
    return payment.state is PaymentState.SUCCEEDED and not payment.stripe_balance_transaction


async def _observe(house: House, call: Call, payment_id: UUID, told: PaymentObservation) -> None:
    """Books what was read, as an operation of its own, if any of it is new."""
    key = f"read:{uuid4().hex}"
    stripe_call = Call(call.tenant_id, "stripe", Party.STRIPE, key, call.traceparent)

    async def story(unit: UnitOfWork) -> None:
        case = await open_case(house, unit, payment_id, by=BY_PAYMENT, missing=PaymentMissing)
        if observe_payment(case, case.payment(payment_id), told):
            await house.commit(unit)

    try:
        await rerun(house, stripe_call, "read_payment", story)
    except (Contradiction, Unreadable) as problem:
        log.warning("payment contradicts", payment=payment_id.hex, problem=str(problem))
