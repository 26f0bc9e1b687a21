"""Makes a payment intent, with which the payer pays on the caller's own page."""

from __future__ import annotations

from typing import Any

from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.aggregates.payment import observe_payment, payment_rejected
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payer
from service.domain.records.payment import Payment
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours
from service.effects.parameters import amount, capture_method, payment_metadata
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.payment_intent import parse_payment_intent
from service.stripe.objects.values import time_of
from service.stripe.outcomes import Rejected


def plan(case: EscrowCase, payment: Payment) -> Effect:
    """The effect has the payment's own id."""
    effect = ids.show(ids.EFFECT, payment.payment_id)
    return case.unit.plan(
        EffectKind.CREATE_PAYMENT_INTENT,
        payment.payment_id,
        subject_id=payment.payment_id,
        request=parameters(payment, case.records.payer, case.escrow.reference, effect),
        escrow_id=payment.escrow_id,
    )


def parameters(payment: Payment, payer: Payer, reference: str, effect: str) -> dict[str, Any]:
    return {
        **amount(payment.amount_minor, payment.currency),
        "customer": payer.stripe_customer,
        "automatic_payment_methods": {"enabled": True},
        "capture_method": capture_method(payment),
        "description": f"Escrow for {reference}",
        "transfer_group": ids.show(ids.ESCROW, payment.escrow_id),
        "metadata": payment_metadata(payment, effect),
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.payment_intents.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.payment_intents.list_async(
        {"customer": effect.request["customer"], "limit": 100}, options
    )
    return await first_of_ours(effect, page.auto_paging_iter())


def _succeed(_: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    """The answer is as old as the intent itself: any event of it is newer."""
    seen = parse_payment_intent(answer, time_of(answer.get("created")))
    observe_payment(case, case.payment(effect.subject_id), seen)
    case.touch()


def _reject(_: UnitOfWork, case: EscrowCase, effect: Effect, refusal: Rejected) -> None:
    payment_rejected(case, case.payment(effect.subject_id), refusal)


async def _fetch(client: Client, _: Effect, made: str, options: Options) -> SdkObject:
    return await client.v1.payment_intents.retrieve_async(made, {}, options)


CREATE_PAYMENT_INTENT = Kind(_send, _find, load_case_of_effect, _succeed, _reject, fetch=_fetch)
