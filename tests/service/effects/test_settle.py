"""Answers of Stripe that do not end an effect as they should: nothing is guessed, or given up."""

from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any, cast

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from service.stripe.objects import payment_intent
from tests.service.operations.later import PAUSE, Later
from tests.service.operations.marketplace import API_KEY, Marketplace

SCHEDULE = "/v1/balance_settings"
STATUSES = cast(MutableMapping[str, Any], payment_intent.INTENT_STATES)
EFFECT = "SELECT state, generation, due_at, error->>'code' AS code FROM effects WHERE kind = $1"


async def effect_of(market: Marketplace, kind: str) -> dict[str, Any]:
    row = await market.owner.fetchrow(EFFECT, kind)
    assert row is not None
    return dict(row)


async def interval_of(market: Marketplace, account: str) -> str:
    """When Stripe pays the account out by itself."""
    headers = {"Authorization": f"Bearer {API_KEY}", "Stripe-Account": account}
    url = market.sandbox.url + SCHEDULE
    async with market.sandbox.http.get(url, headers=headers) as answer:
        settings = await answer.json()
    return str(settings["payments"]["payouts"]["schedule"]["interval"])


async def test_manual_payouts_that_were_refused_are_asked_for_until_they_are_so(
    market: Marketplace,
) -> None:
    """Else Stripe would pay out by itself, past our books."""
    later = Later(market)
    await market.sandbox.fail_next(SCHEDULE, "stored_error", effect=False)
    payee = await market.new_payee(active=False)
    await later.effects.run_once()  # a 500, and nobody knows that it is kept under the key
    await later.pass_by(PAUSE)
    await later.effects.run_once()

    effect = await effect_of(market, "set_manual_payouts")
    assert (effect["state"], effect["generation"]) == ("PLANNED", 2)
    assert effect["due_at"] - later.runtime.clock() > timedelta(seconds=50)
    assert await interval_of(market, payee.stripe_account) != "manual"
    await later.pass_by(PAUSE)
    await later.effects.run_once()

    assert (await effect_of(market, "set_manual_payouts"))["state"] == "SUCCEEDED"
    assert await interval_of(market, payee.stripe_account) == "manual"


async def test_an_answer_with_a_status_that_nobody_knows_ends_nothing(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe adds a status one day, and this release is older than that."""
    escrow = await market.new_escrow()
    request = pb.FundEscrowRequest(request_id=new_request_id(), escrow_id=escrow.id)
    with monkeypatch.context() as older:
        older.delitem(STATUSES, "requires_payment_method")
        async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
            await market.payer.escrows.FundEscrow(request)

    effect = await effect_of(market, "create_payment_intent")
    assert effect["state"] == "UNKNOWN"
    assert effect["code"].startswith("Unreadable: ")
    assert effect["due_at"] > market.running.runtime.clock()  # it is not asked again and again
    later = Later(market)
    await later.pass_by(PAUSE)
    await later.effects.run_once()

    assert (await effect_of(market, "create_payment_intent"))["state"] == "SUCCEEDED"
    payment = (await market.payer.escrows.FundEscrow(request)).payment
    (made,) = await market.sandbox.objects("/v1/payment_intents")
    assert payment.stripe_payment_intent == made["id"]


async def test_a_payment_whose_status_nobody_knows_is_told_as_far_as_it_is_known(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await market.fund(await market.new_escrow())
    monkeypatch.delitem(STATUSES, "requires_payment_method")

    async with market.unchanged():
        read = await market.read_payment(payment)

    assert read.state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD
    assert not read.client_secret  # that page could not say what it shows
    assert read.stripe_payment_intent == payment.stripe_payment_intent
