"""Gives up an open payment. It is canceled when Stripe says that it can no longer succeed."""

from __future__ import annotations

from uuid import UUID

from escrow.v1.escrow_service_pb2 import (
    PAYMENT_STATE_CANCELED,
    PAYMENT_STATE_FAILED,
    PAYMENT_STATE_SUCCEEDED,
    CancelPaymentRequest,
    CancelPaymentResponse,
)
from escrow.v1.escrow_service_pb2 import Payment as PaymentMessage
from escrow.v1.escrow_service_pb2 import PaymentState as State
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PaymentMissing, StripeRefused, WrongState
from service.domain.states.payment import PAYMENT, PAYMENT_ENDED, PaymentEvent, PaymentState
from service.domain.unit import UnitOfWork
from service.effects import cancel_payment as cancel_payment_at_stripe
from service.operations.mutation import mutation
from service.operations.payments.get_payment import present_payment
from service.operations.payments.messages import payment_message
from service.operations.send_now import effect_id_of, send_now
from service.runtime import Runtime
from service.store.escrows import BY_PAYMENT, find_escrow

ENDED = (PAYMENT_STATE_CANCELED, PAYMENT_STATE_FAILED, PAYMENT_STATE_SUCCEEDED)


async def cancel_payment(
    runtime: Runtime, call: Call, request: CancelPaymentRequest
) -> CancelPaymentResponse:
    """Raises PaymentMissing, PartyNotAllowed, StripeUnavailable.

    WrongState: it has ended, maybe because the payer has paid in the meantime.
    """
    payment_id = ids.parse(request.payment_id)
    payment = await end_payment(runtime, call, payment_id, request)
    if payment.state not in (PAYMENT_STATE_CANCELED, PAYMENT_STATE_FAILED):
        state = State.Name(payment.state).removeprefix("PAYMENT_STATE_")
        says = f"{payment.id} could not be canceled: it is {state}."
        raise WrongState(says, payment_id=payment.id, state=state)
    return CancelPaymentResponse(payment=payment)


async def end_payment(
    runtime: Runtime, call: Call, payment_id: UUID, request: CancelPaymentRequest
) -> PaymentMessage:
    """Cancels a payment at Stripe; the answer says how it has really ended.

    Raises:
        StripeRefused: it is still open.
    """
    was_open = await _finish_creation(runtime, call, payment_id)
    before = await present_payment(runtime, call, payment_id)  # how far it is says what to cancel
    if before.state == PAYMENT_STATE_FAILED:
        return before
    if was_open and before.state == PAYMENT_STATE_CANCELED:  # at Stripe; its event has not come
        return before
    await _plan(runtime, call, request)
    effect_id = effect_id_of(call, payment_id, PaymentEvent.CANCEL)
    effect = await send_now(runtime, call, effect_id, refusal=None)  # it may have ended otherwise
    payment = await present_payment(runtime, call, payment_id)
    if payment.state not in ENDED:
        code = effect.error.get("code", "")
        raise StripeRefused(
            f"Stripe does not cancel this payment now ({code or payment.failure.code}).",
            code=code,
            payment_id=payment.id,
        )
    return payment


async def _finish_creation(runtime: Runtime, call: Call, payment_id: UUID) -> bool:
    """What Stripe may not have made yet cannot be canceled there. Whether the payment is open, as
    far as we know.
    """
    records = await find_escrow(runtime.pool, call.tenant_id, payment_id, by=BY_PAYMENT)
    if records is None:
        raise PaymentMissing
    payment = next(p for p in records.payments if p.payment_id == payment_id)
    if payment.state is PaymentState.CREATING:
        await send_now(runtime, call, payment_id, refusal=None)
    return payment.state not in PAYMENT_ENDED


@mutation(CancelPaymentResponse, of="cancel_payment")
async def _plan(
    runtime: Runtime, unit: UnitOfWork, request: CancelPaymentRequest
) -> CancelPaymentResponse:
    payment_id = ids.parse(request.payment_id)
    case = await open_case(runtime, unit, payment_id, by=BY_PAYMENT, missing=PaymentMissing)
    payment = case.payment(payment_id)
    event, party = PaymentEvent.CANCEL, unit.call.party
    PAYMENT.follow(payment.public_id, payment.state, event, party)  # or it is refused
    case.touch()
    effect_id = effect_id_of(unit.call, payment_id, PaymentEvent.CANCEL)
    cancel_payment_at_stripe.plan(unit, payment, effect_id)
    answer = CancelPaymentResponse(payment=payment_message(case.records, payment))
    return await runtime.save(unit, answer)
