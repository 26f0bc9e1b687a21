"""SetupIntents save a payment method for later, and move no money."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running


@pytest.fixture
def client(running: Running) -> Json:
    """The client without its types: nearly every field of Stripe's is Optional in them."""
    return running.client


async def set_up(client: Json, method: str, **params: Json) -> Json:
    """A card to be saved, confirmed at once."""
    return await client.v1.setup_intents.create_async(
        {
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "confirm": True,
            **params,
        }
    )


async def test_a_card_is_saved_for_its_customer(running: Running, client: Json) -> None:
    customer = await client.v1.customers.create_async()
    intent = await set_up(client, "pm_card_visa", customer=customer.id)
    assert (intent.status, intent.usage) == ("succeeded", "off_session")
    [saved] = (await client.v1.customers.payment_methods.list_async(customer.id)).data
    assert saved.id == intent.payment_method
    await running.receiver.wait_for("setup_intent.succeeded")
    assert (await running.books())["accounts"] == {}


async def test_a_declined_card_is_told_in_the_answer_and_kept_on_the_intent(
    running: Running, client: Json
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        await set_up(client, "pm_card_visa_chargeDeclined")
    assert refused.value.code == "card_declined"
    [event] = await running.receiver.wait_for("setup_intent.setup_failed")
    intent = await client.v1.setup_intents.retrieve_async(event["data"]["object"]["id"])
    assert intent.status == "requires_payment_method"
    assert intent.last_setup_error.code == "card_declined"


@pytest.mark.parametrize(
    ("succeeds", "status"), [(True, "succeeded"), (False, "requires_payment_method")]
)
async def test_the_customer_authenticates(
    running: Running, client: Json, succeeds: bool, status: str
) -> None:
    intent = await set_up(client, "pm_card_authenticationRequired")
    assert intent.status == "requires_action"
    await running.control("POST", f"setup_intents/{intent.id}/authenticate", succeeds=succeeds)
    assert (await client.v1.setup_intents.retrieve_async(intent.id)).status == status


async def test_a_canceled_intent_cannot_be_confirmed(client: Json) -> None:
    intent = await client.v1.setup_intents.create_async()
    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        await client.v1.setup_intents.confirm_async(intent.id)
    canceled = await client.v1.setup_intents.cancel_async(intent.id)
    assert canceled.status == "canceled"
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.v1.setup_intents.confirm_async(intent.id, {"payment_method": "pm_card_visa"})
    assert refused.value.code == "setup_intent_unexpected_state"
