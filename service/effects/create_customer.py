"""Makes the Stripe customer of a payer, which every later payment reuses."""

from __future__ import annotations

from typing import Any

from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payer
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind, no_change
from service.effects.lookup import first_of_ours
from service.runtime import Runtime
from service.store.parties import load_parties
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.values import text


def plan(unit: UnitOfWork, payer: Payer) -> Effect:
    """The effect has the payer's own id."""
    return unit.plan(
        EffectKind.CREATE_CUSTOMER,
        payer.payer_id,
        subject_id=payer.payer_id,
        request=parameters(payer, ids.show(ids.EFFECT, payer.payer_id)),
    )


def parameters(payer: Payer, effect: str) -> dict[str, Any]:
    return {
        "name": payer.name,
        "email": payer.email,
        "metadata": {"tenant": payer.tenant_id, "payer": payer.public_id, "effect": effect},
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.customers.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.customers.list_async(
        {"email": effect.request["email"], "limit": 100}, options
    )
    return await first_of_ours(effect, page.auto_paging_iter())


async def _load(runtime: Runtime, unit: UnitOfWork, effect: Effect) -> tuple[Payer, Effect]:
    found = await load_parties(
        runtime.pool, unit, payer_id=effect.subject_id, effect_id=effect.effect_id
    )
    assert found.payer is not None
    assert found.effect is not None
    return found.payer, found.effect


def _succeed(unit: UnitOfWork, payer: Payer, _: Effect, answer: Answer) -> None:
    payer.stripe_customer = text(answer, "id")
    unit.put(payer)


CREATE_CUSTOMER = Kind(_send, _find, _load, _succeed, reject=no_change)
