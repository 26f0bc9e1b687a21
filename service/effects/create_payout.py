"""Pays out from a payee's Stripe account to their bank."""

from __future__ import annotations

from typing import Any

from service.aggregates.payout import load_payout_of_effect, observe_payout, payout_rejected
from service.domain import ids
from service.domain.money import format_minor
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payee
from service.domain.records.payout import Payout
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours, since
from service.effects.parameters import amount
from service.store.parties import PayeeRecords
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.payout import parse_payout
from service.stripe.outcomes import Rejected


def plan(unit: UnitOfWork, payee: Payee, payout: Payout) -> Effect:
    """The effect has the payout's own id."""
    return unit.plan(
        EffectKind.CREATE_PAYOUT,
        payout.payout_id,
        subject_id=payout.payout_id,
        payee_id=payee.payee_id,
        stripe_account=payee.stripe_account,
        request=parameters(payout, ids.show(ids.EFFECT, payout.payout_id)),
    )


def parameters(payout: Payout, effect: str) -> dict[str, Any]:
    return {
        **amount(payout.amount_minor, payout.currency),
        "description": f"Payout of {format_minor(payout.amount_minor, payout.currency)}",
        "metadata": {
            "tenant": payout.tenant_id,
            "payee": ids.show(ids.PAYEE, payout.payee_id),
            "payout": payout.public_id,
            "effect": effect,
        },
    }


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    return await client.v1.payouts.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.payouts.list_async({"created": since(effect), "limit": 100}, options)
    return await first_of_ours(effect, page.auto_paging_iter())


def _succeed(
    unit: UnitOfWork, subject: tuple[PayeeRecords, Payout], _: Effect, answer: Answer
) -> None:
    observe_payout(unit, *subject, parse_payout(answer))


def _reject(
    unit: UnitOfWork, subject: tuple[PayeeRecords, Payout], _: Effect, refusal: Rejected
) -> None:
    found, payout = subject
    payout_rejected(unit, found.payee, payout, refusal)


async def _fetch(client: Client, _: Effect, made: str, options: Options) -> SdkObject:
    return await client.v1.payouts.retrieve_async(made, {}, options)


CREATE_PAYOUT = Kind(
    _send, _find, load_payout_of_effect, _succeed, _reject, fetch=_fetch, pays_out=True
)
