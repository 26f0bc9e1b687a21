"""Takes the money that a payment with capture strategy MANUAL holds on the payer's card."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import CapturePaymentRequest, CapturePaymentResponse
from service.aggregates.escrow import open_case
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PaymentMissing
from service.domain.states.payment import PAYMENT, PaymentEvent
from service.domain.unit import UnitOfWork
from service.effects import capture_payment as capture_payment_at_stripe
from service.operations.mutation import mutation
from service.operations.payments.get_payment import present_payment
from service.operations.payments.messages import payment_message
from service.operations.send_now import effect_id_of, send_now
from service.runtime import Runtime
from service.store.escrows import BY_PAYMENT


async def capture_payment(
    runtime: Runtime, call: Call, request: CapturePaymentRequest
) -> CapturePaymentResponse:
    """Raises PaymentMissing, WrongState, PartyNotAllowed, StripeRefused, StripeUnavailable."""
    payment_id = ids.parse(request.payment_id)
    await present_payment(runtime, call, payment_id)  # the authorization's event may be late
    await _plan(runtime, call, request)
    effect_id = effect_id_of(call, payment_id, PaymentEvent.CAPTURE)
    await send_now(runtime, call, effect_id)
    return CapturePaymentResponse(payment=await present_payment(runtime, call, payment_id))


@mutation(CapturePaymentResponse, of="capture_payment")
async def _plan(
    runtime: Runtime, unit: UnitOfWork, request: CapturePaymentRequest
) -> CapturePaymentResponse:
    payment_id = ids.parse(request.payment_id)
    case = await open_case(runtime, unit, payment_id, by=BY_PAYMENT, missing=PaymentMissing)
    payment = case.payment(payment_id)
    event, party = PaymentEvent.CAPTURE, unit.call.party
    PAYMENT.follow(payment.public_id, payment.state, event, party)  # or it is refused
    case.touch()
    effect_id = effect_id_of(unit.call, payment_id, PaymentEvent.CAPTURE)
    capture_payment_at_stripe.plan(unit, payment, effect_id)
    answer = CapturePaymentResponse(payment=payment_message(case.records, payment))
    return await runtime.save(unit, answer)
