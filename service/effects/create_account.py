"""Makes the connected account of a payee, by the API that the payee was created with."""

from __future__ import annotations

from typing import Any

from service.aggregates.contradiction import Contradiction
from service.aggregates.payee import account_rejected, load_payee_of_effect, observe_account
from service.domain import ids
from service.domain.records.effect import Effect, EffectKind
from service.domain.records.parties import AccountApi, Payee
from service.domain.unit import UnitOfWork
from service.effects import set_manual_payouts, update_account
from service.effects.kind import Answer, Kind
from service.effects.lookup import first_of_ours, made_by, since
from service.effects.parameters import account_details, sends
from service.effects.renew import ask_again
from service.store.parties import PayeeRecords
from service.stripe.gateway import Client, Object, Options, SdkObject
from service.stripe.objects.account import ACCOUNT_V2_FIELDS, parse_account
from service.stripe.outcomes import Rejected


def plan(unit: UnitOfWork, payee: Payee) -> Effect:
    """The effect has the payee's own id."""
    return unit.plan(
        EffectKind.CREATE_ACCOUNT,
        payee.payee_id,
        subject_id=payee.payee_id,
        payee_id=payee.payee_id,
        request=parameters(payee, ids.show(ids.EFFECT, payee.payee_id)),
    )


def correct(unit: UnitOfWork, payee: Payee, effect: Effect) -> None:
    """Stripe made no account, and is asked again with the payee as they are now."""
    replaces = effect.request["metadata"].get("replaces", "")
    ask_again(unit, effect, parameters(payee, effect.public_id, replaces))


def replace(unit: UnitOfWork, payee: Payee, effect: Effect, replaces: str) -> None:
    """The effect that made the account ``replaces`` makes another."""
    ask_again(unit, effect, parameters(payee, effect.public_id, replaces))


def parameters(payee: Payee, effect: str, replaces: str = "") -> dict[str, Any]:
    """An Express dashboard, and losses and fees on the platform: it owes the payees their money."""
    metadata = {"tenant": payee.tenant_id, "payee": payee.public_id, "effect": effect}
    if replaces:
        metadata["replaces"] = replaces
    details = account_details(payee)
    if payee.account_api is AccountApi.V1:
        return {
            **details,
            "country": payee.country,
            "controller": {
                "stripe_dashboard": {"type": "express"},
                "losses": {"payments": "application"},
                "fees": {"payer": "application"},
            },
            "capabilities": {"transfers": {"requested": True}},
            "settings": {"payouts": {"schedule": {"interval": "manual"}}},
            "metadata": metadata,
        }
    requested = {"requested": True}
    return {
        **details,
        "dashboard": "express",
        "identity": {"country": payee.country.lower()},
        "defaults": {
            "responsibilities": {
                "fees_collector": "application",
                "losses_collector": "application",
            }
        },
        "configuration": {
            "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": requested}}}
        },
        "include": list(ACCOUNT_V2_FIELDS),
        "metadata": metadata,
    }


def _is_v2(effect: Effect) -> bool:
    return "configuration" in effect.request


async def _send(client: Client, effect: Effect, options: Options) -> SdkObject:
    accounts = client.v2.core.accounts if _is_v2(effect) else client.v1.accounts
    return await accounts.create_async(effect.request, options)


async def _find(client: Client, effect: Effect, options: Options) -> Object | None:
    if not _is_v2(effect):
        page = await client.v1.accounts.list_async(
            {"created": since(effect), "limit": 100}, options
        )
        return await first_of_ours(effect, page.auto_paging_iter())
    page = await client.v2.core.accounts.list_async({"limit": 100}, options)
    found = await first_of_ours(effect, page.auto_paging_iter())
    if found is None:
        return None
    account: Any = await client.v2.core.accounts.retrieve_async(
        found["id"], {"include": list(ACCOUNT_V2_FIELDS)}, options
    )
    answer: Object = account.to_dict()
    return answer


def _succeed(unit: UnitOfWork, found: PayeeRecords, effect: Effect, answer: Answer) -> None:
    payee = found.payee
    if not made_by(effect, answer):
        raise Contradiction("the account was made for another request")
    observe_account(unit, payee, parse_account(payee.account_api, answer))
    if payee.account_api is AccountApi.V2:
        set_manual_payouts.plan(unit, payee)
    if not sends(effect, account_details(payee)):
        update_account.plan(unit, payee)


def _reject(unit: UnitOfWork, found: PayeeRecords, effect: Effect, refusal: Rejected) -> None:
    """What was corrected meanwhile is sent at once."""
    if sends(effect, account_details(found.payee)):
        account_rejected(unit, found.payee, refusal)
    else:
        correct(unit, found.payee, effect)


async def _fetch(client: Client, effect: Effect, made: str, options: Options) -> SdkObject:
    if not _is_v2(effect):
        return await client.v1.accounts.retrieve_async(made, {}, options)
    include = {"include": list(ACCOUNT_V2_FIELDS)}
    return await client.v2.core.accounts.retrieve_async(made, include, options)


CREATE_ACCOUNT = Kind(_send, _find, load_payee_of_effect, _succeed, _reject, fetch=_fetch)
