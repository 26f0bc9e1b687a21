"""Makes a Checkout session, with which the payer pays on Stripe's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.aggregates.payment import observe_payment, payment_rejected
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.escrow import Escrow, Milestone
from service.domain.records.parties import Payer
from service.domain.records.payment import Payment
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours
from service.effects.parameters import capture_method, payment_metadata
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.checkout_session import parse_checkout_session
from service.stripe.objects.values import time_of
from service.stripe.outcomes import Rejected


class Pages(NamedTuple):
    """Where Stripe sends the payer: who has paid, and who goes back without paying."""

    success_url: str
    cancel_url: str


def plan(
    case: EscrowCase, payment: Payment, milestones: Sequence[Milestone], pages: Pages
) -> Effect:
    """The effect has the payment's own id."""
    effect = ids.show(ids.EFFECT, payment.payment_id)
    payer, escrow = case.records.payer, case.escrow
    return case.unit.plan(
        EffectKind.CREATE_CHECKOUT_SESSION,
        payment.payment_id,
        subject_id=payment.payment_id,
        request=parameters(payment, payer, escrow, milestones, pages, effect),
        escrow_id=payment.escrow_id,
    )


def parameters(
    payment: Payment,
    payer: Payer,
    escrow: Escrow,
    milestones: Sequence[Milestone],
    pages: Pages,
    effect: str,
) -> dict[str, Any]:
    currency = payment.currency
    lines = [_line(m.title, m.amount_minor, currency) for m in milestones]
    fee_minor = sum(milestone.payer_fee_minor for milestone in milestones)
    if fee_minor:
        lines.append(_line("Platform fee", fee_minor, currency))
    metadata = payment_metadata(payment, effect)
    return {
        "mode": "payment",
        "customer": payer.stripe_customer,
        "line_items": lines,
        "success_url": pages.success_url,
        "cancel_url": pages.cancel_url,
        "metadata": metadata,
        "payment_intent_data": {
            "capture_method": capture_method(payment),
            "description": f"Escrow for {escrow.reference}",
            "transfer_group": ids.show(ids.ESCROW, payment.escrow_id),
            "metadata": metadata,
        },
    }


def _line(name: str, amount_minor: int, currency: str) -> dict[str, Any]:
    return {
        "quantity": 1,
        "price_data": {
            "currency": currency.lower(),
            "unit_amount": amount_minor,
            "product_data": {"name": name},
        },
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.checkout.sessions.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.checkout.sessions.list_async(
        {"customer": effect.request["customer"], "limit": 100}, options
    )
    return await first_of_ours(effect, page.auto_paging_iter())


def _succeed(_: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    seen = parse_checkout_session(answer, time_of(answer.get("created")))
    observe_payment(case, case.payment(effect.subject_id), seen)
    case.touch()


def _reject(_: UnitOfWork, case: EscrowCase, effect: Effect, refusal: Rejected) -> None:
    payment_rejected(case, case.payment(effect.subject_id), refusal)


async def _fetch(client: Client, _: Effect, made: str, options: Options) -> SdkObject:
    return await client.v1.checkout.sessions.retrieve_async(made, {}, options)


CREATE_CHECKOUT_SESSION = Kind(_send, _find, load_case_of_effect, _succeed, _reject, fetch=_fetch)
