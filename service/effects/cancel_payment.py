"""Cancels an open payment: by its page while that is open, and by its intent after that."""

from __future__ import annotations

from uuid import UUID

from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.aggregates.payment import observe_payment
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.payment import Payment
from service.domain.states.payment import PaymentState
from service.domain.unit import UnitOfWork
from service.effects.capture_payment import find_ended_intent, intent_answered
from service.effects.kind import Answer, Kind, no_change
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.checkout_session import parse_checkout_session
from service.stripe.objects.values import time_of


def plan(unit: UnitOfWork, payment: Payment, effect_id: UUID) -> Effect:
    return unit.plan(
        EffectKind.CANCEL_PAYMENT,
        effect_id,
        subject_id=payment.payment_id,
        request=parameters(payment),
        escrow_id=payment.escrow_id,
    )


def parameters(payment: Payment) -> dict[str, str | None]:
    """A Checkout page takes no cancel of its intent while it is open, and no end after that."""
    left = payment.state in (PaymentState.REQUIRES_CAPTURE, PaymentState.PROCESSING)
    if payment.stripe_checkout_session and not left:
        return {"checkout_session": payment.stripe_checkout_session}
    return {"payment_intent": payment.stripe_payment_intent}


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    if session := effect.request.get("checkout_session"):
        return await client.v1.checkout.sessions.expire_async(session, {}, options)
    intent = effect.request["payment_intent"]
    return await client.v1.payment_intents.cancel_async(intent, {}, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    if session := effect.request.get("checkout_session"):
        found = (await client.v1.checkout.sessions.retrieve_async(session, {}, options)).to_dict()
        return found if found["status"] != "open" else None
    return await find_ended_intent(client, effect, options)


def _succeed(unit: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    if answer.get("object") != "checkout.session":
        intent_answered(unit, case, effect, answer)
        return
    seen = parse_checkout_session(answer, time_of(answer.get("created")))
    observe_payment(case, case.payment(effect.subject_id), seen)
    case.touch()


CANCEL_PAYMENT = Kind(_send, _find, load_case_of_effect, _succeed, reject=no_change)
