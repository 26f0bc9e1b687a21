"""Gives up an open payment. It is canceled when Stripe says that it can no longer succeed."""

from __future__ import annotations

from uuid import UUID

from escrow.v1.escrow_service_pb2 import (
    PAYMENT_STATE_CANCELED,
    PAYMENT_STATE_SUCCEEDED,
    CancelPaymentRequest,
    CancelPaymentResponse,
)
from escrow.v1.escrow_service_pb2 import Payment as PaymentMessage
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PaymentMissing, StripeRefused, WrongState
from service.domain.lifecycle import PAYMENT, PaymentEvent, PaymentState, follow
from service.domain.model import EffectKind, Payment
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.get_payment import present_payment
from service.operations.house import House, mutation
from service.operations.messages import payment_message
from service.operations.perform_effect import effect_id_of, finish_effect
from service.store.escrows import BY_PAYMENT, read_escrow


async def cancel_payment(
    house: House, call: Call, request: CancelPaymentRequest
) -> CancelPaymentResponse:
    """Raises PaymentMissing, PartyNotAllowed, StripeUnavailable.

    WrongState: it has ended, maybe because the payer has paid in the meantime.
    """
    payment_id = ids.read(request.payment_id)
    payment = await end_payment(house, call, payment_id, request)
    if payment.state != PAYMENT_STATE_CANCELED:
        raise WrongState("The payment could not be canceled.", payment_id=payment.id)
    return CancelPaymentResponse(payment=payment)


async def end_payment(
    house: House, call: Call, payment_id: UUID, request: CancelPaymentRequest
) -> PaymentMessage:
    """Cancels a payment at Stripe; the answer says how it has really ended.

    Raises:
        StripeRefused: it is still open.
    """
    await _finish_creation(house, call, payment_id)
    await present_payment(house, call, payment_id)  # what to cancel depends on how far it is
    await _plan(house, call, request)
    effect_id = effect_id_of(call, payment_id, PaymentEvent.CANCEL)
    effect = await finish_effect(house, call.tenant_id, effect_id)
    payment = await present_payment(house, call, payment_id)
    if payment.state not in (PAYMENT_STATE_CANCELED, PAYMENT_STATE_SUCCEEDED):
        code = effect.error.get("code", "")
        raise StripeRefused(
            f"Stripe does not cancel this payment now ({code or payment.failure.code}).",
            code=code,
            payment_id=payment.id,
        )
    return payment


async def _finish_creation(house: House, call: Call, payment_id: UUID) -> None:
    """What Stripe may not have made yet cannot be canceled there."""
    records = await read_escrow(house.pool, call.tenant_id, payment_id, by=BY_PAYMENT)
    if records is None:
        raise PaymentMissing
    payment = next(p for p in records.payments if p.payment_id == payment_id)
    if payment.state is PaymentState.CREATING:
        await finish_effect(house, call.tenant_id, payment_id)


def _what_to_cancel(payment: Payment) -> dict[str, str | None]:
    """A Checkout page takes no cancel of its intent while it is open, and no end after that."""
    left = payment.state in (PaymentState.REQUIRES_CAPTURE, PaymentState.PROCESSING)
    if payment.stripe_checkout_session and not left:
        return {"checkout_session": payment.stripe_checkout_session}
    return {"payment_intent": payment.stripe_payment_intent}


@mutation(CancelPaymentResponse, of="cancel_payment")
async def _plan(
    house: House, unit: UnitOfWork, request: CancelPaymentRequest
) -> CancelPaymentResponse:
    payment_id = ids.read(request.payment_id)
    case = await open_case(house, unit, payment_id, by=BY_PAYMENT, missing=PaymentMissing)
    payment = case.payment(payment_id)
    payment.state = follow(PAYMENT, payment.state, PaymentEvent.CANCEL, unit.call.party)
    case.touch()
    unit.plan(
        EffectKind.CANCEL_PAYMENT,
        effect_id_of(unit.call, payment_id, PaymentEvent.CANCEL),
        subject_id=payment_id,
        request=_what_to_cancel(payment),
        escrow_id=payment.escrow_id,
    )
    answer = CancelPaymentResponse(payment=payment_message(case.records, payment))
    return await house.save(unit, answer)
