"""Reversals bring money back, as far as the destination still has it."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in, posted
from tests.stripe_sandbox.connect.conftest import (
    DAY_S,
    balances,
    charged,
    payee_in,
    payment_of,
    sums,
)

EXPANDED = [
    "balance_transaction",
    "destination_payment_refund",
    "transfer.destination_payment",
]


@pytest.mark.parametrize("wait_days", [0, 3])
async def test_reversals_give_the_money_back(
    running: Running, client: Json, payee: str, wait_days: int
) -> None:
    charge = await charged(running)
    transfer = await client.v1.transfers.create_async(
        {"amount": 8000, "currency": "usd", "destination": payee, "source_transaction": charge.id}
    )
    await running.advance(wait_days * DAY_S)
    reversals = client.v1.transfers.reversals
    first = await reversals.create_async(
        transfer.id,
        {
            "amount": 3000,
            "metadata": {"refund": "r1"},
            "expand": [
                "balance_transaction",
                "destination_payment_refund",
                "transfer.destination_payment",
            ],
        },
    )
    assert (first.balance_transaction.type, first.balance_transaction.net) == (
        "transfer_refund",
        3000,
    )
    assert first.destination_payment_refund.amount == 3000
    assert first.transfer.destination_payment.amount_refunded == 3000
    assert sum(await balances(running, payee)) == 5000
    assert sum(await balances(running)) == 10_000 - 320 - 5000
    rest = await reversals.create_async(transfer.id)
    assert rest.amount == 5000
    with pytest.raises(stripe.InvalidRequestError, match="already been fully reversed"):
        await reversals.create_async(transfer.id)
    reversed_transfer = await client.v1.transfers.retrieve_async(transfer.id)
    assert (reversed_transfer.amount_reversed, reversed_transfer.reversed) == (8000, True)
    assert [r.id for r in reversed_transfer.reversals.data] == [rest.id, first.id]

    updated = await reversals.update_async(transfer.id, first.id, {"metadata": {"refund": "r2"}})
    assert updated.metadata.to_dict() == {"refund": "r2"}
    assert (await reversals.retrieve_async(transfer.id, first.id)).amount == 3000
    assert len((await reversals.list_async(transfer.id)).data) == 2
    with pytest.raises(stripe.InvalidRequestError):
        await reversals.retrieve_async(transfer.id, "trr_unknown")

    payment = await client.v1.charges.retrieve_async(
        transfer.destination_payment, None, {"stripe_account": payee}
    )
    assert (payment.amount_refunded, payment.refunded) == (8000, True)
    assert len(await running.receiver.wait_for("transfer.reversed", 2)) == 2
    await running.advance(3 * DAY_S)
    assert await balances(running, payee) == (0, 0)
    await running.books()


async def test_a_reversal_needs_the_balance_of_the_destination(
    running: Running, client: Json, payee: str
) -> None:
    charge = await charged(running, card="pm_card_bypassPending")
    transfer = await client.v1.transfers.create_async(
        {"amount": 8000, "currency": "usd", "destination": payee, "source_transaction": charge.id}
    )
    on_account = {"stripe_account": payee}
    await client.v1.payouts.create_async({"amount": 6000, "currency": "usd"}, on_account)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.reversals.create_async(transfer.id)
    assert refusal.value.code == "balance_insufficient"
    with pytest.raises(stripe.InvalidRequestError, match="greater than the unreversed amount"):
        await client.v1.transfers.reversals.create_async(transfer.id, {"amount": 8001})
    await client.v1.transfers.reversals.create_async(transfer.id, {"amount": 2000})
    assert await balances(running, payee) == (0, 0)
    await running.books()


@pytest.mark.parametrize(
    ("country", "currency", "received", "taken", "left"),
    [
        ("DE", None, (8_000, "eur", 0.909091), (-3_826, "eur", 0.869565), 4_174),  # 3826.086
        ("JP", None, (13_750, "jpy", 1.5625), (-6_197, "jpy", 1.40845), 7_553),  # 6197.18
        ("KW", "kwd", (27_077, "kwd", 3.07692), (-13_333, "kwd", 3.0303), 13_744),  # 13333.32
        ("US", None, (8_800, "usd", None), (-4_400, "usd", None), 4_400),
    ],
)
async def test_a_reversal_takes_the_currency_that_was_received_at_the_rate_of_the_day(
    running: Running,
    client: Json,
    country: str,
    currency: str | None,
    received: tuple[int, str, float | None],
    taken: tuple[int, str, float | None],
    left: int,
) -> None:
    payee = await payee_in(running, country, currency)
    await running.hold("usd")
    await running.worth(eur=1.10, jpy=0.0064, kwd=3.25)
    charge = await charge_in(running, "usd", 10_000, "pm_card_bypassPending")
    transfer = await client.v1.transfers.create_async(
        {
            "amount": 8_800,
            "currency": "usd",
            "destination": payee,
            "source_transaction": charge.id,
        }
    )
    payment = await payment_of(running, transfer)
    assert posted(payment.balance_transaction) == received

    await running.worth(eur=1.15, jpy=0.0071, kwd=3.30)
    reversal = await client.v1.transfers.reversals.create_async(
        transfer.id,
        {
            "amount": 4_400,
            "expand": ["balance_transaction", "destination_payment_refund"],
        },
    )
    assert (reversal.amount, reversal.currency) == (4_400, "usd")
    assert posted(reversal.balance_transaction) == (4_400, "usd", None)
    refund = reversal.destination_payment_refund
    assert (refund.amount, refund.currency) == (4_400, "usd")
    books = await running.books()
    [booked] = [
        transaction
        for transaction in books["accounts"][payee]["balance_transactions"]
        if transaction["source"] == refund.id
    ]
    assert (booked["amount"], booked["currency"], booked["exchange_rate"]) == taken
    assert await sums(running) == {"usd": 10_000 - 320 - 4_400}
    assert await sums(running, payee) == {received[1]: left}


async def test_a_reversal_needs_what_it_costs_the_destination_today(
    running: Running, client: Json
) -> None:
    payee = await payee_in(running, "DE")
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "usd", 10_000)
    transfer = await client.v1.transfers.create_async(
        {
            "amount": 8_800,
            "currency": "usd",
            "destination": payee,
            "source_transaction": charge.id,
        }
    )
    await running.worth(eur=1.00)  # the destination has 80.00 euros, and 88.00 are needed
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.reversals.create_async(transfer.id)
    assert refusal.value.code == "balance_insufficient"
    await client.v1.transfers.reversals.create_async(transfer.id, {"amount": 8_000})
    assert await sums(running, payee) == {"eur": 0}
    assert await sums(running) == {"usd": 10_000 - 320 - 800}
