"""Customers transfer money before a payment takes it; only then is it in the books."""

import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running


async def waiting_payment(running: Running, customer: str, amount: int) -> stripe.PaymentIntent:
    """A payment in JPY that waits for a bank transfer."""
    return await running.client.v1.payment_intents.create_async(
        {
            "amount": amount,
            "currency": "jpy",
            "customer": customer,
            "allowed_payment_method_types": ["customer_balance"],
            "payment_method_data": {"type": "customer_balance"},
            "payment_method_options": {
                "customer_balance": {
                    "funding_type": "bank_transfer",
                    "bank_transfer": {"type": "jp_bank_transfer"},
                }
            },
            "confirm": True,
        }
    )


async def fund(running: Running, customer: str, amount: int) -> None:
    await running.client.v1.test_helpers.customers.fund_cash_balance_async(
        customer, {"amount": amount, "currency": "jpy"}
    )


async def remaining(running: Running, intent: stripe.PaymentIntent) -> Json:
    """(status, what still has to be transferred)."""
    found: Json = await running.client.v1.payment_intents.retrieve_async(intent.id)
    action = found.next_action
    return found.status, action and action.display_bank_transfer_instructions.amount_remaining


async def held(running: Running, customer: str) -> int:
    client: Json = running.client
    balance = await client.v1.customers.cash_balance.retrieve_async(customer)
    return int(balance.available["jpy"])


async def test_a_payment_is_funded_in_parts(running: Running) -> None:
    customer = (await running.client.v1.customers.create_async()).id
    intent = await waiting_payment(running, customer, 20_000)
    assert await remaining(running, intent) == ("requires_action", 20_000)

    await fund(running, customer, 15_000)
    assert await remaining(running, intent) == ("requires_action", 5_000)
    [event] = await running.receiver.wait_for("payment_intent.partially_funded")
    assert event["data"]["object"]["id"] == intent.id
    assert (await running.books())["accounts"] == {}

    await fund(running, customer, 6_000)
    assert await remaining(running, intent) == ("succeeded", None)
    assert await held(running, customer) == 1_000
    await running.receiver.wait_for("cash_balance.funds_available")
    await running.advance(5)
    books = await running.books()
    assert books["accounts"][running.sandbox.platform]["sum_of_net"]["jpy"] == 20_000 - 100
    moves = await running.client.v1.customers.cash_balance_transactions.list_async(customer)
    assert [(m.type, m.net_amount, m.ending_balance) for m in moves.data] == [
        ("applied_to_payment", -5_000, 1_000),
        ("funded", 6_000, 6_000),
        ("applied_to_payment", -15_000, 0),
        ("funded", 15_000, 15_000),
    ]


async def test_money_that_is_there_already_pays_at_once(running: Running) -> None:
    customer = (await running.client.v1.customers.create_async()).id
    await fund(running, customer, 5_000)
    intent = await waiting_payment(running, customer, 4_000)
    assert intent.status == "succeeded"
    assert await held(running, customer) == 1_000


async def test_the_oldest_payment_is_funded_first(running: Running) -> None:
    customer = (await running.client.v1.customers.create_async()).id
    first = await waiting_payment(running, customer, 1_000)
    second = await waiting_payment(running, customer, 1_000)
    await fund(running, customer, 1_500)
    assert await remaining(running, first) == ("succeeded", None)
    assert await remaining(running, second) == ("requires_action", 500)


async def test_a_canceled_payment_gives_back_what_it_had_taken(running: Running) -> None:
    customer = (await running.client.v1.customers.create_async()).id
    intent = await waiting_payment(running, customer, 2_000)
    await fund(running, customer, 500)
    assert await held(running, customer) == 0
    await running.client.v1.payment_intents.cancel_async(intent.id)
    assert await held(running, customer) == 500
