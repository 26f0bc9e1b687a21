"""Brings what a payee's account at Stripe shows of them up to date."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from service.aggregates.payee import load_payee_of_effect
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import Payee
from service.domain.states.payee import LOST
from service.domain.unit import UnitOfWork
from service.effects.kind import Answer, Kind
from service.effects.lookup import hold_update, updated_by_us
from service.effects.parameters import account_details, of_update, sends
from service.effects.renew import ask_again
from service.store.parties import PayeeRecords
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.outcomes import Rejected


def effect_id_of(payee: Payee) -> UUID:
    """An account has one such effect, which every change sends again: Stripe gets them in order."""
    return ids.derive(payee.payee_id, f"{EffectKind.UPDATE_ACCOUNT}:{payee.stripe_account}")


def plan(unit: UnitOfWork, payee: Payee, last: Effect | None = None) -> None:
    """``last`` is the effect of the change before, if there was one."""
    effect_id = effect_id_of(payee)
    request = parameters(payee, effect_id, last.generation + 1 if last else 1)
    if last:
        ask_again(unit, last, request)
    else:
        unit.plan(
            EffectKind.UPDATE_ACCOUNT,
            effect_id,
            subject_id=payee.payee_id,
            payee_id=payee.payee_id,
            request=request,
        )


def parameters(payee: Payee, effect_id: UUID, generation: int) -> dict[str, Any]:
    return {
        "account": payee.stripe_account,
        **account_details(payee),
        **of_update(effect_id, generation),
    }


def _accounts(client: Client, effect: Effect) -> Any:  # noqa: ANN401  either service of the SDK
    return client.v2.core.accounts if "contact_email" in effect.request else client.v1.accounts


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    request = dict(effect.request)
    answer: SdkObject = await _accounts(client, effect).update_async(
        request.pop("account"), request, options
    )
    return answer


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    account = await _accounts(client, effect).retrieve_async(effect.request["account"], {}, options)
    return updated_by_us(effect, account.to_dict())


def _succeed(unit: UnitOfWork, found: PayeeRecords, effect: Effect, answer: Answer) -> None:
    hold_update(effect, answer)
    _send_what_is_new(unit, found.payee, effect)


def _reject(unit: UnitOfWork, found: PayeeRecords, effect: Effect, _: Rejected) -> None:
    _send_what_is_new(unit, found.payee, effect)


def _send_what_is_new(unit: UnitOfWork, payee: Payee, effect: Effect) -> None:
    """Nothing is sent to an account that is lost, or was replaced: the next is made with it."""
    is_theirs = effect.request["account"] == payee.stripe_account and payee.state not in LOST
    if is_theirs and not sends(effect, account_details(payee)):
        plan(unit, payee, effect)


UPDATE_ACCOUNT = Kind(_send, _find, load_payee_of_effect, _succeed, _reject)
