"""The cards of the time before payment methods."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running


@pytest.fixture
def client(running: Running) -> Json:
    """The client without its types: a source is one of four kinds in them."""
    return running.client


async def test_a_source_can_be_paid_with(running: Running, client: Json) -> None:
    customer = await client.v1.customers.create_async({"source": "tok_visa"})
    [card] = (await client.v1.customers.payment_sources.list_async(customer.id)).data
    assert (customer.default_source, card.brand, card.last4) == (card.id, "Visa", "4242")
    intent = await client.v1.payment_intents.create_async(
        {
            "amount": 1_000,
            "currency": "usd",
            "customer": customer.id,
            "payment_method": card.id,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
        }
    )
    assert intent.status == "succeeded"


async def test_the_life_of_a_source(running: Running, client: Json) -> None:
    customer = await client.v1.customers.create_async()
    sources = client.v1.customers.payment_sources
    first = await sources.create_async(customer.id, {"source": "tok_visa"})
    second = await sources.create_async(customer.id, {"source": "tok_amex"})
    assert second.brand == "American Express"
    updated = await sources.update_async(customer.id, first.id, {"name": "Ada"})
    assert updated.name == "Ada"
    await running.receiver.wait_for("customer.source.updated")
    assert (await sources.delete_async(customer.id, first.id)).deleted
    assert (await client.v1.customers.retrieve_async(customer.id)).default_source == second.id
    with pytest.raises(stripe.InvalidRequestError, match="No such source"):
        await sources.retrieve_async(customer.id, first.id)


async def test_an_unknown_token_is_refused(client: Json) -> None:
    customer = await client.v1.customers.create_async()
    with pytest.raises(stripe.InvalidRequestError, match="No such token"):
        await client.v1.customers.payment_sources.create_async(customer.id, {"source": "tok_x"})
