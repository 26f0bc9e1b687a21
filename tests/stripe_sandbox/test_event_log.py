"""The event log can be asked for what never arrived, for thirty days."""

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running


async def test_events_by_type(running: Running) -> None:
    client = running.client.v1
    customer = await client.customers.create_async({"name": "Ada"})
    await client.customers.update_async(customer.id, {"name": "Bob"})
    await client.payment_intents.create_async({"amount": 1000, "currency": "usd"})

    one = await client.events.list_async({"type": "customer.updated"})
    assert [event.type for event in one.data] == ["customer.updated"]
    two = await client.events.list_async({"types": ["customer.created", "payment_intent.created"]})
    assert [event.type for event in two.data] == ["payment_intent.created", "customer.created"]
    pattern = await client.events.list_async({"type": "customer.*"})
    assert [event.type for event in pattern.data] == ["customer.updated", "customer.created"]
    newer = await client.events.list_async({"ending_before": pattern.data[0].id})
    assert [event.type for event in newer.data] == ["payment_intent.created"]
    for wrong in ({"type": "a", "types": ["b"]}, {"types": ["a"] * 21}):
        with pytest.raises(stripe.InvalidRequestError):
            await client.events.list_async(wrong)  # type: ignore[arg-type] # wrong on purpose


async def test_events_are_gone_after_thirty_days(running: Running) -> None:
    await running.client.v1.customers.create_async({"name": "Ada"})
    [event] = (await running.client.v1.events.list_async()).data
    await running.advance(30 * 24 * 3600)
    assert (await running.client.v1.events.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await running.client.v1.events.retrieve_async(event.id)
    assert refused.value.code == "resource_missing"


async def test_events_of_an_account_are_its_own(running: Running) -> None:
    account = await running.client.v1.accounts.create_async({"type": "express", "country": "US"})
    options: stripe.RequestOptions = {"stripe_account": account.id}
    await running.client.v1.customers.create_async({"name": "Ada"}, options)
    theirs = await running.client.v1.events.list_async({"type": "customer.created"}, options)
    assert [event.account for event in theirs.data] == [account.id]
    ours = await running.client.v1.events.list_async({"type": "customer.created"})
    assert ours.data == []
