"""Subscriptions are billed in advance, by payments like any other."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running

DAY_S = 24 * 3600
NET = 1_500 - 74  # 15.00 after the fee on the payment


@pytest.fixture
def client(running: Running) -> Json:
    """The client without its types: nearly every field of Stripe's is Optional in them."""
    return running.client


async def monthly(client: Json) -> str:
    """A price of 15.00 a month."""
    price = await client.v1.prices.create_async(
        {
            "product_data": {"name": "Lessons"},
            "unit_amount": 1_500,
            "currency": "usd",
            "recurring": {"interval": "month"},
        }
    )
    return str(price.id)


async def customer_with(client: Json, method: str | None) -> str:
    chosen = (
        {"payment_method": method, "invoice_settings": {"default_payment_method": method}}
        if method
        else {}
    )
    return str((await client.v1.customers.create_async(chosen)).id)


async def subscribe(client: Json, method: str | None = "pm_card_visa", **options: Json) -> Json:
    return await client.v1.subscriptions.create_async(
        {
            "customer": await customer_with(client, method),
            "items": [{"price": await monthly(client)}],
            **options,
        }
    )


async def net(running: Running) -> int:
    books = await running.books()
    return int(books["accounts"][running.sandbox.platform]["sum_of_net"]["usd"])


async def test_every_month_is_paid_in_advance(running: Running, client: Json) -> None:
    subscription = await subscribe(client)
    assert subscription.status == "active"
    invoice = await client.v1.invoices.retrieve_async(subscription.latest_invoice)
    assert (invoice.status, invoice.amount_paid, invoice.billing_reason) == (
        "paid",
        1_500,
        "subscription_create",
    )
    assert await net(running) == NET
    await running.advance(32 * DAY_S)
    assert await net(running) == 2 * NET
    invoices = (await client.v1.invoices.list_async({"subscription": subscription.id})).data
    assert [found.billing_reason for found in invoices] == [
        "subscription_cycle",
        "subscription_create",
    ]
    await client.v1.subscriptions.cancel_async(subscription.id)
    await running.advance(62 * DAY_S)
    assert await net(running) == 2 * NET


async def test_a_declined_card_leaves_it_incomplete(running: Running, client: Json) -> None:
    subscription = await subscribe(client, "pm_card_chargeCustomerFail")
    assert subscription.status == "incomplete"
    invoice = await client.v1.invoices.retrieve_async(subscription.latest_invoice)
    assert (invoice.status, invoice.amount_remaining) == ("open", 1_500)
    await running.receiver.wait_for("invoice.payment_failed")


async def test_a_trial_is_free_and_then_paid(running: Running, client: Json) -> None:
    subscription = await subscribe(client, trial_period_days=7)
    assert subscription.status == "trialing"
    assert (await running.books())["accounts"] == {}
    await running.advance(4 * DAY_S)
    await running.receiver.wait_for("customer.subscription.trial_will_end")
    await running.advance(3 * DAY_S)
    assert (await client.v1.subscriptions.retrieve_async(subscription.id)).status == "active"
    assert await net(running) == NET


@pytest.mark.parametrize(("behavior", "status"), [("pause", "paused"), ("cancel", "canceled")])
async def test_a_trial_that_nobody_pays_for(client: Json, behavior: str, status: str) -> None:
    subscription = await subscribe(
        client,
        None,
        trial_period_days=7,
        trial_settings={"end_behavior": {"missing_payment_method": behavior}},
    )
    ended = await client.v1.subscriptions.update_async(subscription.id, {"trial_end": "now"})
    assert ended.status == status


async def test_without_a_trial_there_must_be_something_to_pay_with(client: Json) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        await subscribe(client, None)


async def test_what_is_not_supported_is_refused(client: Json) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="does not support cancel_at_period_end"):
        await subscribe(client, cancel_at_period_end=True)
