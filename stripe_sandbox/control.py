"""Controls under /_sandbox/: time, faults, deliveries, books, reset. Bodies are JSON."""

import json
from typing import Any

from aiohttp import web

from stripe_sandbox import ledger, settlement
from stripe_sandbox.call import Call
from stripe_sandbox.connect.accounts import platform_account
from stripe_sandbox.connect.bank_details import GOOD_ACCOUNT_NUMBER
from stripe_sandbox.connect.external_accounts import (
    add_bank_account,
    default_bank_account,
)
from stripe_sandbox.errors import parameter_invalid
from stripe_sandbox.events import record
from stripe_sandbox.ids import new_id
from stripe_sandbox.pages import Pages
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Registry
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import StripeObject, private_copy

registry = Registry()
pages = Pages()


async def read_json(request: web.Request) -> Params:
    """The JSON body of a control request; an empty one is an empty object."""
    body = await request.read()
    try:
        decoded = json.loads(body or b"{}")
    except ValueError as error:
        raise parameter_invalid("body", f"The body is not JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise parameter_invalid("body", "The body must be a JSON object.")
    return Params(decoded)


@registry.control("GET", "/_sandbox/clock")
def read_clock(call: Call) -> StripeObject:
    """The virtual time, and how many seconds it is ahead of real time."""
    clock = call.state.clock
    return {"object": "clock", "now": clock.now(), "offset_s": clock.offset_s}


@pages.post("/_sandbox/clock/advance")
async def advance_clock(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """{"seconds": n}: move the clock, run what becomes due, wait for its deliveries."""
    params = await read_json(request)
    seconds = params.integer("seconds", 0) or 0
    if seconds < 0:
        raise parameter_invalid("seconds", "The clock never runs backwards.")
    await sandbox.scheduler.advance(seconds)
    sandbox.state.idempotency.forget_expired()
    return web.json_response({"object": "clock", "now": sandbox.clock.now()})


@registry.control("POST", "/_sandbox/settings")
def change_settings(call: Call) -> StripeObject:
    """Change what is named; the answer has all settings.

    {"capture_delay_ms": n}: how long an asynchronous capture takes, in virtual time.
    {"settlement_currencies": ["usd", "eur"]}: what the platform holds, null for every currency.
    {"accounts_settle_in": "external_accounts"}: what connected accounts hold, or "any_currency".
    {"unsupported_countries": ["BR"]}: where this platform may not connect accounts.
    {"country": "MX"}: where the platform is, which decides what it pays for disputes.
    """
    delay_ms = call.params.integer("capture_delay_ms")
    if delay_ms is not None:
        call.state.capture_delay_s = delay_ms / 1000
    if "settlement_currencies" in call.params:
        _settle_platform_in(call, call.params.array("settlement_currencies"))
    if call.params.is_set("accounts_settle_in"):
        allowed = (settlement.ANY_CURRENCY, settlement.EXTERNAL_ACCOUNTS)
        chosen = call.params.choice("accounts_settle_in", allowed)
        settlement.change_settings(call, accounts_settle_in=chosen)
    if "unsupported_countries" in call.params:
        named = call.params.array("unsupported_countries")
        call.state.unsupported_countries = frozenset(map(str, named))
    if call.params.is_set("country"):
        platform_account(call)["country"] = call.params.text("country")
    return {
        "object": "settings",
        "capture_delay_ms": int(call.state.capture_delay_s * 1000),
        "unsupported_countries": sorted(call.state.unsupported_countries),
        **settlement.settings(call),
    }


def _settle_platform_in(call: Call, named: list[Any]) -> None:
    """The platform holds these, with a bank account for each, as Stripe wants; or everything."""
    currencies = [Params({"currency": name}).currency() for name in named]
    settlement.change_settings(call, settlement_currencies=currencies or None)
    if currencies:
        platform_account(call)["default_currency"] = currencies[0]
    number = GOOD_ACCOUNT_NUMBER
    for currency in currencies:
        if default_bank_account(call, currency) is None:
            add_bank_account(call, country="US", currency=currency, account_number=number)


@registry.control("POST", "/_sandbox/faults")
def arm_fault(call: Call) -> StripeObject:
    """Arm a fault; see faults.py for its fields."""
    return call.state.faults.arm(call.params)


@registry.control("GET", "/_sandbox/faults")
def list_faults(call: Call) -> StripeObject:
    """All armed faults and how many more requests each will hit."""
    return {"object": "list", "data": call.state.faults.list()}


@registry.control("DELETE", "/_sandbox/faults")
def clear_faults(call: Call) -> StripeObject:
    """Disarm everything."""
    call.state.faults.clear()
    return {"object": "list", "data": []}


@registry.control("GET", "/_sandbox/deliveries")
def list_deliveries(call: Call) -> StripeObject:
    """The delivery log, newest first."""
    return {"object": "list", "data": call.state.deliveries.log()}


@registry.control("POST", "/_sandbox/deliveries/hold")
def hold_deliveries(call: Call) -> StripeObject:
    """Hold new deliveries until they are released."""
    call.state.deliveries.held = True
    return {"object": "deliveries", "held": True}


@pages.post("/_sandbox/deliveries/release")
async def release_deliveries(sandbox: Sandbox, request: web.Request) -> web.StreamResponse:
    """Deliver what is held, one after the other, and answer the log of what was tried.

    {"deliveries": [ids]} releases these in this order and keeps holding; {} releases everything,
    oldest first, and stops holding.
    """
    params = await read_json(request)
    deliveries = sandbox.state.deliveries
    chosen = params.array("deliveries")
    if not params.is_set("deliveries"):
        deliveries.held = False
        chosen = [d["id"] for d in reversed(deliveries.log()) if d["status"] == "held"]
    for delivery in chosen:
        await sandbox.webhooks.attempt(delivery)
    tried = [d for d in deliveries.log() if d["id"] in chosen]
    return web.json_response({"object": "list", "data": tried})


@registry.control("POST", "/_sandbox/events/{id}/redeliver")
def redeliver_event(call: Call) -> StripeObject:
    """Deliver an event again; {"twin": true} sends a second Event with the same content."""
    account = _account_of_event(call, call.path["id"])
    event = account.require("event", call.path["id"])
    if not call.params.boolean("twin"):
        deliveries = call.state.deliveries
        redelivered = deliveries.redeliver(call.transaction, account.account, event)
        return {"object": "list", "data": redelivered}
    twin: dict[str, Any] = private_copy(event)
    twin |= {"id": new_id("evt"), "pending_webhooks": 0}
    return record(call.state, call.transaction, account.account, twin)


def _account_of_event(call: Call, event_id: str) -> Call:
    for account in call.state.store.accounts_with("event"):
        if call.state.store.read(account, "event", event_id):
            return call.on(account)
    return call


@registry.control("POST", "/_sandbox/webhook_endpoints/{id}/roll_secret")
def roll_webhook_secret(call: Call) -> StripeObject:
    """Give an endpoint a new secret; the old one also signs for {"expires_in": seconds}."""
    endpoint = call.require("webhook_endpoint", call.path["id"])
    expires_at = call.state.clock.now() + (call.params.integer("expires_in", 0) or 0)
    secret = call.params.text("secret") or new_id("whsec")
    for held in endpoint["_secrets"]:
        if held["expires_at"] is None:
            held["expires_at"] = expires_at
    endpoint["_secrets"].insert(0, {"secret": secret, "expires_at": None})
    return {"object": "webhook_endpoint", "id": endpoint["id"], "secret": secret}


@registry.control("GET", "/_sandbox/books")
def read_books(call: Call) -> StripeObject:
    """Every account's balance, the sum of its balance transactions, and whether they agree."""
    return ledger.books(call.state)


@registry.control("POST", "/_sandbox/balance_transactions")
def move_balance(call: Call) -> StripeObject:
    """Stripe moves the platform's balance by itself: a fee, a reserve, an adjustment ...

    {"type": "stripe_fee", "amount": -200, "currency": "usd"}; {"source": id} names what caused it.
    """
    return ledger.post(
        call,
        call.params.text("type") or "adjustment",
        call.params.text("source"),
        call.params.integer("amount", 0) or 0,
        call.params.text("currency") or "usd",
        description=call.params.text("description"),
    )


@pages.post("/_sandbox/reset")
async def reset(sandbox: Sandbox, _request: web.Request) -> web.StreamResponse:
    """Forget everything except the platform's id and the endpoints given at start."""
    sandbox.reset()
    return web.json_response({"object": "reset", "platform": sandbox.platform})
