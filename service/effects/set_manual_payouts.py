"""Sets a v2 account to manual payouts: Stripe would else pay out by itself, past our books."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from service.aggregates.payee import load_payee_of_effect
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payee
from service.domain.states.payee import LOST
from service.domain.unit import UnitOfWork
from service.effects.kind import Kind, no_change
from service.effects.renew import renew
from service.store.parties import PayeeRecords
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.outcomes import Rejected

MANUAL_PAYOUTS: Mapping[str, Any] = {"payments": {"payouts": {"schedule": {"interval": "manual"}}}}
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)


def plan(unit: UnitOfWork, payee: Payee) -> Effect:
    return unit.plan(
        EffectKind.SET_MANUAL_PAYOUTS,
        unit.new_id(),
        subject_id=payee.payee_id,
        payee_id=payee.payee_id,
        stripe_account=payee.stripe_account,
        request=MANUAL_PAYOUTS,
    )


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.balance_settings.update_async(effect.request, options)


async def _find(client: Client, _: Effect, options: Options) -> Object | None:
    """The settings are the account's: no object of ours is among them."""
    settings = (await client.v1.balance_settings.retrieve_async({}, options)).to_dict()
    schedule = settings["payments"]["payouts"]["schedule"]
    return settings if schedule["interval"] == "manual" else None


def _reject(unit: UnitOfWork, found: PayeeRecords, effect: Effect, _: Rejected) -> None:
    """It is asked for again until it is so, or the account is no longer the payee's."""
    payee = found.payee
    if payee.stripe_account != effect.stripe_account or payee.state in LOST:
        return
    renew(unit, effect)
    pause = FIRST_PAUSE * 2 ** min(effect.generation, 10)
    effect.due_at = unit.now + min(pause, LONGEST_PAUSE)


SET_MANUAL_PAYOUTS = Kind(_send, _find, load_payee_of_effect, no_change, _reject)
