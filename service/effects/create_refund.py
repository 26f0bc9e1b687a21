"""Gives a payer their money back: a refund of the charge that it came by."""

from __future__ import annotations

from typing import Any

from service.aggregates.contradiction import Contradiction
from service.aggregates.escrow import EscrowCase, load_case_of_effect
from service.aggregates.refund_observed import observe_refund
from service.aggregates.refund_undone import refund_rejected
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.refund import Refund
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours
from service.stripe.gateway import Client, Options, SdkObject
from service.stripe.objects.refund import EXPAND, parse_refund
from service.stripe.objects.values import Object, id_of, our_id
from service.stripe.outcomes import Rejected


def plan(case: EscrowCase, refund: Refund) -> None:
    """Each sending of a refund is an effect of its own: Stripe makes another refund for it."""
    effect_id = case.unit.new_id()
    charge = case.payment(refund.payment_id).stripe_charge
    assert charge is not None  # a payment succeeds with its charge
    case.unit.plan(
        EffectKind.CREATE_REFUND,
        effect_id,
        subject_id=refund.refund_id,
        request=parameters(refund, charge, ids.show(ids.EFFECT, effect_id)),
        escrow_id=refund.escrow_id,
    )
    refund.effect_id = effect_id
    case.unit.put(refund)


def parameters(refund: Refund, charge: str, effect: str) -> dict[str, Any]:
    """In the currency that was paid, which Stripe takes from the charge."""
    return {
        "charge": charge,
        "amount": refund.amount_minor,
        "reason": "requested_by_customer",
        "expand": list(EXPAND),
        "metadata": {
            "tenant": refund.tenant_id,
            "escrow": ids.show(ids.ESCROW, refund.escrow_id),
            "payment": ids.show(ids.PAYMENT, refund.payment_id),
            "refund": refund.public_id,
            "effect": effect,
        },
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.refunds.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Answer | None:
    page = await client.v1.refunds.list_async(
        {
            "charge": effect.request["charge"],
            "limit": 100,
            "expand": [f"data.{name}" for name in EXPAND],
        },
        options,
    )
    return await first_of_ours(effect, page.auto_paging_iter())


def hold_against(effect: Effect, refund: Object) -> None:
    """Compares a refund with what the effect asked for.

    Raises:
        Contradiction: it is another one.
        Unreadable.
    """
    asked, shown = (
        effect.request,
        {"amount": refund.get("amount"), "charge": id_of(refund, "charge")},
    )
    for name, value in shown.items():
        if value != asked[name]:
            raise Contradiction(f"the refund's {name} is {value}, not {asked[name]}")
    if our_id(refund, "effect") != effect.effect_id:
        raise Contradiction("the refund is of another effect")


def _succeed(_: UnitOfWork, case: EscrowCase, effect: Effect, answer: Answer) -> None:
    hold_against(effect, answer)
    observe_refund(case, case.refund_of(effect.subject_id), parse_refund(answer), case.explained)


def _reject(_: UnitOfWork, case: EscrowCase, effect: Effect, refusal: Rejected) -> None:
    refund_rejected(case, case.refund_of(effect.subject_id), refusal.code)


async def _fetch(client: Client, _: Effect, made: str, options: Options) -> SdkObject:
    return await client.v1.refunds.retrieve_async(made, {"expand": list(EXPAND)}, options)


CREATE_REFUND = Kind(
    _send, _find, load_case_of_effect, _succeed, _reject, fetch=_fetch, pays_out=True
)
