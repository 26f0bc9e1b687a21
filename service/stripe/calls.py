"""THE two tables of effects: how each is sent, and how each is found when its answer was lost.

Finding reads Stripe's lists, which are consistent, never its search, which is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from service.domain.model import Effect, EffectKind
from service.stripe.reading import moment_of
from service.stripe.requests import ACCOUNT_V2_FIELDS

# The SDK types its parameters as TypedDicts, which the stored parameters no longer are: they were
# written by requests.py, and the sandbox checks every one of them against those types.
Client = Any
Options = dict[str, Any]
Object = dict[str, Any]
Send = Callable[[Client, Effect, Options], Awaitable[Any]]
Find = Callable[[Client, Effect, Options], Awaitable[Object | None]]

CLOCK_SLACK_S = 300  # between our clock and Stripe's, when a list is limited to what is new
FINAL_INTENTS = frozenset({"succeeded", "canceled"})


def _is_v2_account(effect: Effect) -> bool:
    return "configuration" in effect.request


async def _create_account(client: Client, effect: Effect, options: Options) -> Any:  # noqa: ANN401
    accounts = client.v2.core.accounts if _is_v2_account(effect) else client.v1.accounts
    return await accounts.create_async(effect.request, options)


# A payment is canceled by its page while the page is open, and by its intent after that: the
# stored request names the one of both that counts.
async def _cancel_payment(client: Client, effect: Effect, options: Options) -> Any:  # noqa: ANN401
    if session := effect.request.get("checkout_session"):
        return await client.v1.checkout.sessions.expire_async(session, {}, options)
    intent = effect.request["payment_intent"]
    return await client.v1.payment_intents.cancel_async(intent, {}, options)


SEND: Mapping[EffectKind, Send] = {
    EffectKind.CREATE_CUSTOMER: lambda c, e, o: c.v1.customers.create_async(e.request, o),
    EffectKind.CREATE_ACCOUNT: _create_account,
    EffectKind.SET_MANUAL_PAYOUTS: lambda c, e, o: c.v1.balance_settings.update_async(e.request, o),
    EffectKind.CREATE_PAYMENT_INTENT: lambda c, e, o: c.v1.payment_intents.create_async(
        e.request,
        o,
    ),
    EffectKind.CREATE_CHECKOUT_SESSION: lambda c, e, o: c.v1.checkout.sessions.create_async(
        e.request,
        o,
    ),
    EffectKind.CAPTURE_PAYMENT: lambda c, e, o: c.v1.payment_intents.capture_async(
        e.request["payment_intent"], {}, o
    ),
    EffectKind.CANCEL_PAYMENT: _cancel_payment,
    EffectKind.CREATE_TRANSFER: lambda c, e, o: c.v1.transfers.create_async(e.request, o),
    EffectKind.CREATE_PAYOUT: lambda c, e, o: c.v1.payouts.create_async(e.request, o),
}


async def _first_of_ours(effect: Effect, objects: AsyncIterator[Any]) -> Object | None:
    """The object that this effect made, whichever generation of it, by our id in its metadata.

    Other keys do not count: people and other programs add some.
    """
    ours = effect.request["metadata"]["effect"]
    oldest = effect.created_at.timestamp() - CLOCK_SLACK_S
    async for item in objects:
        found: Object = item.to_dict()
        if (found.get("metadata") or {}).get("effect") == ours:
            return found
        if moment_of(found["created"]).timestamp() < oldest:
            return None  # lists are newest first
    return None


def _since(effect: Effect) -> dict[str, int]:
    return {"gte": int(effect.created_at.timestamp()) - CLOCK_SLACK_S}


async def _find_customer(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.customers.list_async(
        {"email": effect.request["email"], "limit": 100}, options
    )
    return await _first_of_ours(effect, page.auto_paging_iter())


async def _find_account(client: Client, effect: Effect, options: Options) -> Object | None:
    if not _is_v2_account(effect):
        accounts = await client.v1.accounts.list_async(
            {"created": _since(effect), "limit": 100},
            options,
        )
        return await _first_of_ours(effect, accounts.auto_paging_iter())
    page = await client.v2.core.accounts.list_async({"limit": 100}, options)
    found = await _first_of_ours(effect, page.auto_paging_iter())
    if found is None:
        return None
    account: Any = await client.v2.core.accounts.retrieve_async(
        found["id"],
        {"include": list(ACCOUNT_V2_FIELDS)},
        options,
    )
    answer: Object = account.to_dict()
    return answer


async def _find_intent(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.payment_intents.list_async(
        {"customer": effect.request["customer"], "limit": 100}, options
    )
    return await _first_of_ours(effect, page.auto_paging_iter())


async def _find_session(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.checkout.sessions.list_async(
        {"customer": effect.request["customer"], "limit": 100}, options
    )
    return await _first_of_ours(effect, page.auto_paging_iter())


async def _find_captured(client: Client, effect: Effect, options: Options) -> Object | None:
    intent = effect.request["payment_intent"]
    found = (await client.v1.payment_intents.retrieve_async(intent, {}, options)).to_dict()
    return found if found["status"] in FINAL_INTENTS else None


async def _find_canceled(client: Client, effect: Effect, options: Options) -> Object | None:
    if session := effect.request.get("checkout_session"):
        found = (await client.v1.checkout.sessions.retrieve_async(session, {}, options)).to_dict()
        return found if found["status"] != "open" else None
    return await _find_captured(client, effect, options)


async def _find_transfer(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.transfers.list_async(
        {"transfer_group": effect.request["transfer_group"], "limit": 100}, options
    )
    return await _first_of_ours(effect, page.auto_paging_iter())


async def _find_payout(client: Client, effect: Effect, options: Options) -> Object | None:
    page = await client.v1.payouts.list_async(
        {"created": _since(effect), "limit": 100},
        options,
    )
    return await _first_of_ours(effect, page.auto_paging_iter())


async def _find_schedule(client: Client, effect: Effect, options: Options) -> Object | None:
    del effect  # it names no object: the settings are the account's
    settings = (await client.v1.balance_settings.retrieve_async({}, options)).to_dict()
    schedule = settings["payments"]["payouts"]["schedule"]
    return settings if schedule["interval"] == "manual" else None


FIND: Mapping[EffectKind, Find] = {
    EffectKind.CREATE_CUSTOMER: _find_customer,
    EffectKind.CREATE_ACCOUNT: _find_account,
    EffectKind.SET_MANUAL_PAYOUTS: _find_schedule,
    EffectKind.CREATE_PAYMENT_INTENT: _find_intent,
    EffectKind.CREATE_CHECKOUT_SESSION: _find_session,
    EffectKind.CAPTURE_PAYMENT: _find_captured,
    EffectKind.CANCEL_PAYMENT: _find_canceled,
    EffectKind.CREATE_TRANSFER: _find_transfer,
    EffectKind.CREATE_PAYOUT: _find_payout,
}
