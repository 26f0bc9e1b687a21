"""Takes the money of a card payment that was only authorized."""

from __future__ import annotations

from uuid import UUID

from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.aggregates.payment import observe_payment
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.payment import Payment
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind, no_change
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.payment_intent import parse_payment_intent

FINAL_INTENTS = frozenset({"succeeded", "canceled"})


def plan(unit: UnitOfWork, payment: Payment, effect_id: UUID) -> Effect:
    return unit.plan(
        EffectKind.CAPTURE_PAYMENT,
        effect_id,
        subject_id=payment.payment_id,
        request={"payment_intent": payment.stripe_payment_intent},
        escrow_id=payment.escrow_id,
    )


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    intent = effect.request["payment_intent"]
    return await client.v1.payment_intents.capture_async(intent, {}, options)


async def find_ended_intent(client: Client, effect: Effect, options: Options) -> Object | None:
    """The intent that the request names, once it has ended."""
    intent = effect.request["payment_intent"]
    found = (await client.v1.payment_intents.retrieve_async(intent, {}, options)).to_dict()
    return found if found["status"] in FINAL_INTENTS else None


def intent_answered(_: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    """The answer shows the intent as it is now."""
    observe_payment(case, case.payment(effect.subject_id), parse_payment_intent(answer, None))
    case.touch()


CAPTURE_PAYMENT = Kind(
    _send, find_ended_intent, load_case_of_effect, intent_answered, reject=no_change
)
