"""Top-ups bring the platform's own money, two days later."""

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.connect.conftest import DAY_S, balances


async def test_a_topup_arrives_after_two_days(running: Running) -> None:
    topup = await running.client.v1.topups.create_async({"amount": 2_000, "currency": "usd"})
    assert (topup.status, topup.balance_transaction) == ("pending", None)
    assert await balances(running) == (0, 0)
    await running.advance(2 * DAY_S)
    arrived = await running.client.v1.topups.retrieve_async(topup.id)
    assert arrived.status == "succeeded"
    assert await balances(running) == (2_000, 0)
    await running.receiver.wait_for("topup.succeeded")
    await running.books()
    with pytest.raises(stripe.InvalidRequestError, match="pending"):
        await running.client.v1.topups.cancel_async(topup.id)


async def test_a_canceled_topup_brings_nothing(running: Running) -> None:
    topup = await running.client.v1.topups.create_async({"amount": 2_000, "currency": "usd"})
    assert (await running.client.v1.topups.cancel_async(topup.id)).status == "canceled"
    await running.advance(2 * DAY_S)
    assert await balances(running) == (0, 0)
    assert (await running.client.v1.topups.list_async({"status": "succeeded"})).data == []


async def test_a_topup_is_in_a_currency_that_the_balance_can_hold(
    running: Running,
) -> None:
    await running.hold("usd")
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await running.client.v1.topups.create_async({"amount": 5_000, "currency": "eur"})
    assert (refusal.value.http_status, refusal.value.param) == (400, "currency")
    topup = await running.client.v1.topups.create_async({"amount": 5_000, "currency": "usd"})
    assert topup.currency == "usd"
