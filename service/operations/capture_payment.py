"""Takes the money that a payment with capture strategy MANUAL holds on the payer's card."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import CapturePaymentRequest, CapturePaymentResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PaymentMissing, StripeRefused
from service.domain.lifecycle import PAYMENT, EffectState, PaymentEvent, follow
from service.domain.model import EffectKind
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import open_case
from service.operations.get_payment import present_payment
from service.operations.house import House, mutation
from service.operations.messages import payment_message
from service.operations.perform_effect import effect_id_of, finish_effect
from service.store.escrows import BY_PAYMENT


async def capture_payment(
    house: House, call: Call, request: CapturePaymentRequest
) -> CapturePaymentResponse:
    """Raises PaymentMissing, WrongState, PartyNotAllowed, StripeRefused, StripeUnavailable."""
    payment_id = ids.read(request.payment_id)
    await present_payment(house, call, payment_id)  # the authorization's event may be late
    await _plan(house, call, request)
    effect_id = effect_id_of(call, payment_id, PaymentEvent.CAPTURE)
    effect = await finish_effect(house, call.tenant_id, effect_id)
    if effect.state is EffectState.REJECTED:
        raise StripeRefused(effect.error.get("message"), code=effect.error.get("code", ""))
    return CapturePaymentResponse(payment=await present_payment(house, call, payment_id))


@mutation(CapturePaymentResponse, of="capture_payment")
async def _plan(
    house: House, unit: UnitOfWork, request: CapturePaymentRequest
) -> CapturePaymentResponse:
    payment_id = ids.read(request.payment_id)
    case = await open_case(house, unit, payment_id, by=BY_PAYMENT, missing=PaymentMissing)
    payment = case.payment(payment_id)
    payment.state = follow(PAYMENT, payment.state, PaymentEvent.CAPTURE, unit.call.party)
    case.touch()
    unit.plan(
        EffectKind.CAPTURE_PAYMENT,
        effect_id_of(unit.call, payment_id, PaymentEvent.CAPTURE),
        subject_id=payment_id,
        request={"payment_intent": payment.stripe_payment_intent},
        escrow_id=payment.escrow_id,
    )
    answer = CapturePaymentResponse(payment=payment_message(case.records, payment))
    return await house.save(unit, answer)
