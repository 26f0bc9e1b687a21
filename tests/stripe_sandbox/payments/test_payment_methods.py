"""Cards are made from test numbers, tokens and names, and belong to customers."""

import pytest
import stripe
from stripe.params import PaymentMethodCreateParamsCard

from tests.stripe_sandbox.conftest import Running


def card(number: str, exp_year: int = 2040) -> PaymentMethodCreateParamsCard:
    return {"number": number, "exp_month": 12, "exp_year": exp_year, "cvc": "123"}


async def test_a_card_from_its_test_number_pays(running: Running) -> None:
    method = await running.client.v1.payment_methods.create_async(
        {"type": "card", "card": card("4242 4242 4242 4242")}
    )
    assert method.card is not None
    assert (method.card.brand, method.card.last4, method.card.exp_year) == ("visa", "4242", 2040)
    intent = await running.client.v1.payment_intents.create_async(
        {
            "amount": 1000,
            "currency": "usd",
            "allowed_payment_method_types": ["card"],
            "payment_method": method.id,
            "confirm": True,
        }
    )
    assert (intent.status, intent.payment_method) == ("succeeded", method.id)


@pytest.mark.parametrize(
    ("number", "exp_year", "code", "decline_code"),
    [
        ("4929000000006", 2040, "card_declined", "test_mode_live_card"),
        ("4242424242424241", 2040, "incorrect_number", None),
        ("4242-4242", 2040, "incorrect_number", None),
        ("4242424242424242", 2020, "invalid_expiry_year", None),
    ],
)
async def test_only_valid_test_cards_are_taken(
    running: Running, number: str, exp_year: int, code: str, decline_code: str | None
) -> None:
    with pytest.raises(stripe.CardError) as refused:
        await running.client.v1.payment_methods.create_async(
            {"type": "card", "card": card(number, exp_year)}
        )
    error = refused.value.error
    assert error is not None
    assert (error.code, error.decline_code) == (code, decline_code)


async def test_a_test_name_makes_a_payment_method_of_its_own(running: Running) -> None:
    method = await running.client.v1.payment_methods.retrieve_async("pm_card_mastercard")
    assert method.id != "pm_card_mastercard"
    assert method.card is not None
    assert method.card.brand == "mastercard"
    assert (await running.client.v1.payment_methods.retrieve_async(method.id)).id == method.id


async def test_attach_list_and_detach(running: Running) -> None:
    client = running.client.v1
    customer = await client.customers.create_async({"name": "Ada", "metadata": {"payer": "1"}})
    method = await client.payment_methods.attach_async("pm_card_visa", {"customer": customer.id})
    listed = await client.customers.payment_methods.list_async(customer.id)
    assert [pm.id for pm in listed.data] == [method.id]

    other = await client.customers.create_async({"name": "Bob"})
    for refused_call in (
        client.payment_methods.attach_async(method.id, {"customer": other.id}),
        client.payment_intents.create_async(
            {"amount": 1000, "currency": "usd", "payment_method": method.id}
        ),
    ):
        with pytest.raises(stripe.InvalidRequestError):
            await refused_call

    await client.payment_methods.detach_async(method.id)
    assert (await client.customers.payment_methods.list_async(customer.id)).data == []


async def test_a_customer_is_changed_found_and_deleted(running: Running) -> None:
    client = running.client.v1
    customer = await client.customers.create_async({"email": "ada@example.com"})
    updated = await client.customers.update_async(
        customer.id, {"name": "Ada", "metadata": {"payer": "1"}}
    )
    assert (updated.name, updated.email) == ("Ada", "ada@example.com")
    [event] = await running.receiver.wait_for("customer.updated")
    assert event["data"]["previous_attributes"] == {"metadata": {"payer": None}, "name": None}
    assert len((await client.customers.list_async({"email": "ada@example.com"})).data) == 1

    deleted = await client.customers.delete_async(customer.id)
    assert deleted.deleted is True
    assert (await client.customers.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.payment_intents.create_async(
            {"amount": 1000, "currency": "usd", "customer": customer.id}
        )
    assert refused.value.code == "resource_missing"
