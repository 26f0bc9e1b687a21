"""Brings a payer's customer at Stripe up to date."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from service.aggregates.payer import load_payer_of_effect
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payer
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import hold_update, updated_by_us
from service.effects.parameters import customer_details, of_update, sends
from service.effects.renew import ask_again
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.outcomes import Rejected


def effect_id_of(payer: Payer) -> UUID:
    """A payer has one such effect, which every change sends again: Stripe gets them in order."""
    return ids.derive(payer.payer_id, EffectKind.UPDATE_CUSTOMER)


def plan(unit: UnitOfWork, payer: Payer, last: Effect | None = None) -> None:
    """``last`` is the effect of the change before, if there was one."""
    effect_id = effect_id_of(payer)
    request = parameters(payer, effect_id, last.generation + 1 if last else 1)
    if last:
        ask_again(unit, last, request)
    else:
        unit.plan(EffectKind.UPDATE_CUSTOMER, effect_id, subject_id=payer.payer_id, request=request)


def parameters(payer: Payer, effect_id: UUID, generation: int) -> dict[str, Any]:
    return {
        "customer": payer.stripe_customer,
        **customer_details(payer),
        **of_update(effect_id, generation),
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    request = dict(effect.request)
    return await client.v1.customers.update_async(request.pop("customer"), request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    customer = await client.v1.customers.retrieve_async(effect.request["customer"], {}, options)
    return updated_by_us(effect, customer.to_dict())


def _succeed(unit: UnitOfWork, payer: Payer, effect: Effect, answer: Answer) -> None:
    hold_update(effect, answer)
    _send_what_is_new(unit, payer, effect)


def _reject(unit: UnitOfWork, payer: Payer, effect: Effect, _: Rejected) -> None:
    _send_what_is_new(unit, payer, effect)


def _send_what_is_new(unit: UnitOfWork, payer: Payer, effect: Effect) -> None:
    if not sends(effect, customer_details(payer)):
        plan(unit, payer, effect)


UPDATE_CUSTOMER = Kind(_send, _find, load_payer_of_effect, _succeed, _reject)
