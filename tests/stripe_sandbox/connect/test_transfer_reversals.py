"""Reversals bring money back, as far as the destination still has it."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running
from tests.stripe_sandbox.connect.conftest import DAY_S, balances, charged

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
