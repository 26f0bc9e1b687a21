"""Makes the Stripe customer of a payer, which every later payment reuses."""

from __future__ import annotations

from typing import Any

from service.aggregates.payer import load_payer_of_effect
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payer
from service.domain.unit import UnitOfWork
from service.effects import update_customer
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours
from service.effects.parameters import customer_details, sends
from service.effects.renew import ask_again
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.values import text
from service.stripe.outcomes import Rejected


def plan(unit: UnitOfWork, payer: Payer) -> Effect:
    """The effect has the payer's own id."""
    return unit.plan(
        EffectKind.CREATE_CUSTOMER,
        payer.payer_id,
        subject_id=payer.payer_id,
        request=parameters(payer, ids.show(ids.EFFECT, payer.payer_id)),
    )


def correct(unit: UnitOfWork, payer: Payer, effect: Effect) -> None:
    """Stripe refused to make the customer, and is asked again with the payer as they are now."""
    ask_again(unit, effect, parameters(payer, effect.public_id))


def parameters(payer: Payer, effect: str) -> dict[str, Any]:
    return {
        **customer_details(payer),
        "metadata": {"tenant": payer.tenant_id, "payer": payer.public_id, "effect": effect},
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.customers.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.customers.list_async(
        {"email": effect.request["email"], "limit": 100}, options
    )
    return await first_of_ours(effect, page.auto_paging_iter())


def _succeed(unit: UnitOfWork, payer: Payer, effect: Effect, answer: Answer) -> None:
    payer.stripe_customer = text(answer, "id")
    unit.put(payer)
    if not sends(effect, customer_details(payer)):
        update_customer.plan(unit, payer)


def _reject(unit: UnitOfWork, payer: Payer, effect: Effect, _: Rejected) -> None:
    """What was corrected meanwhile is sent at once."""
    if not sends(effect, customer_details(payer)):
        correct(unit, payer, effect)


async def _fetch(client: Client, _: Effect, made: str, options: Options) -> SdkObject:
    return await client.v1.customers.retrieve_async(made, {}, options)


CREATE_CUSTOMER = Kind(_send, _find, load_payer_of_effect, _succeed, _reject, fetch=_fetch)
