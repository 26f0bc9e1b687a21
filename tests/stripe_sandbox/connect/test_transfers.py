"""Transfers move real balances on both sides, and never more than there is."""

import asyncio

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in, posted
from tests.stripe_sandbox.connect.conftest import (
    DAY_S,
    EXPRESS,
    balances,
    charged,
    payee_in,
    payment_of,
    sums,
)


async def test_a_transfer_on_a_pending_charge_settles_with_it(
    running: Running, client: Json, payee: str
) -> None:
    charge = await charged(running)
    net = 10_000 - 320
    transfer = await client.v1.transfers.create_async(
        {
            "amount": 8000,
            "currency": "usd",
            "destination": payee,
            "source_transaction": charge.id,
            "metadata": {"milestone": "m1"},
            "expand": ["balance_transaction", "destination"],
        },
        {"idempotency_key": "transfer-1"},
    )
    assert transfer.transfer_group == "escrow_1"
    assert transfer.destination.id == payee
    assert (transfer.balance_transaction.type, transfer.balance_transaction.net) == (
        "transfer",
        -8000,
    )
    assert await balances(running) == (0, net - 8000)
    assert await balances(running, payee) == (0, 8000)

    payment = await client.v1.charges.retrieve_async(
        transfer.destination_payment,
        {"expand": ["balance_transaction", "source_transfer"]},
        {"stripe_account": payee},
    )
    assert payment.balance_transaction.type == "payment"
    assert payment.source_transfer.id == transfer.id

    await running.advance(2 * DAY_S)
    assert await balances(running) == (net - 8000, 0)
    assert await balances(running, payee) == (8000, 0)
    await running.books()
    created = await running.receiver.wait_for("transfer.created")
    assert "account" not in created[0]
    succeeded = await running.receiver.wait_for("charge.succeeded", 2)
    assert {event.get("account") for event in succeeded} == {None, payee}


async def test_a_transfer_waits_for_an_asynchronous_capture(
    running: Running, client: Json, payee: str
) -> None:
    charge = await charged(running, card="pm_card_bypassPending", settled=False)
    assert charge.balance_transaction is None
    transfer = await client.v1.transfers.create_async(
        {
            "amount": 8000,
            "currency": "usd",
            "destination": payee,
            "source_transaction": charge.id,
        }
    )
    assert transfer.balance_transaction is None
    assert await balances(running, payee) == (0, 0)
    with pytest.raises(stripe.InvalidRequestError, match="not arrived yet"):
        await client.v1.transfers.reversals.create_async(transfer.id)

    await running.advance(5)

    assert await balances(running, payee) == (8000, 0)
    settled = await client.v1.transfers.retrieve_async(transfer.id)
    assert settled.balance_transaction is not None
    updated = await running.receiver.wait_for("transfer.updated")
    assert updated[0]["data"]["previous_attributes"] == {"balance_transaction": None}
    await running.books()


async def test_transfers_on_one_charge_are_capped_by_it(
    running: Running, client: Json, payee: str
) -> None:
    charge = await charged(running)
    params = {
        "currency": "usd",
        "destination": payee,
        "source_transaction": charge.id,
    }
    answers = await asyncio.gather(
        *(client.v1.transfers.create_async({**params, "amount": 4000}) for _ in range(4)),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == [
        "InvalidRequestError",
        "InvalidRequestError",
        "Transfer",
        "Transfer",
    ]
    await client.v1.transfers.create_async({**params, "amount": 2000})
    with pytest.raises(stripe.InvalidRequestError, match="must not exceed the source amount"):
        await client.v1.transfers.create_async({**params, "amount": 1})
    with pytest.raises(stripe.InvalidRequestError, match="must be the same"):
        await client.v1.transfers.create_async({**params, "currency": "eur", "amount": 1})
    group = await client.v1.transfers.list_async({"transfer_group": "escrow_1"})
    assert [transfer.amount for transfer in group.data] == [2000, 4000, 4000]
    assert await balances(running, payee) == (0, 10_000)
    await running.books()


async def test_without_a_source_only_the_available_balance_can_be_sent(
    running: Running, client: Json, payee: str
) -> None:
    params = {"amount": 5000, "currency": "usd", "destination": payee}
    await charged(running)
    refusals = []
    for _ in range(2):
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            await client.v1.transfers.create_async(params, {"idempotency_key": "poor"})
        refusals.append(refusal.value)
    assert refusals[0].code == "balance_insufficient"
    assert refusals[0].http_status == 400
    # It was executed, so the refusal is stored under the key.
    assert (refusals[1].headers or {})["Idempotent-Replayed"] == "true"

    await charged(running, card="pm_card_bypassPending")
    with pytest.raises(stripe.InvalidRequestError):
        await client.v1.transfers.create_async(params, {"idempotency_key": "poor"})
    transfer = await client.v1.transfers.create_async(params, {"idempotency_key": "rich"})
    again = await client.v1.transfers.create_async(params, {"idempotency_key": "rich"})
    assert transfer.id == again.id
    assert await balances(running, payee) == (5000, 0)
    await running.books()


async def test_an_account_that_is_not_ready_receives_nothing(
    running: Running, client: Json
) -> None:
    charge = await charged(running)
    account = await client.v1.accounts.create_async(EXPRESS)
    params = {
        "amount": 100,
        "currency": "usd",
        "destination": account.id,
        "source_transaction": charge.id,
    }
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.create_async(params)
    assert refusal.value.code == "insufficient_capabilities_for_transfer"
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.create_async({**params, "destination": "acct_unknown"})
    assert (refusal.value.code, refusal.value.param) == ("resource_missing", "destination")
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.create_async({**params, "source_transaction": "ch_unknown"})
    assert (refusal.value.code, refusal.value.param) == ("resource_missing", "source_transaction")


async def test_update_changes_the_description_and_metadata(
    running: Running, client: Json, payee: str
) -> None:
    charge = await charged(running)
    transfer = await client.v1.transfers.create_async(
        {
            "amount": 100,
            "currency": "usd",
            "destination": payee,
            "source_transaction": charge.id,
            "metadata": {"a": "1", "b": "2"},
        }
    )
    updated = await client.v1.transfers.update_async(transfer.id, {"metadata": {"a": "", "c": "3"}})
    assert updated.metadata.to_dict() == {"b": "2", "c": "3"}
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.update_async(transfer.id, {"amount": 200})
    assert refusal.value.code == "parameter_unknown"
    await running.receiver.wait_for("transfer.updated")


async def test_with_a_source_the_currency_is_the_one_it_settled_in(
    running: Running, client: Json, payee: str
) -> None:
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_500)
    params = {"destination": payee, "source_transaction": charge.id}
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.create_async({**params, "amount": 8_000, "currency": "eur"})
    assert (refusal.value.http_status, refusal.value.param) == (400, "currency")
    assert refusal.value.user_message == (
        "The currency of source_transaction's balance transaction (usd) must be the same as the "
        "transfer currency (eur)"
    )
    transfer = await client.v1.transfers.create_async(
        {**params, "amount": 8_800, "currency": "usd", "expand": ["balance_transaction"]}
    )
    assert posted(transfer.balance_transaction) == (-8_800, "usd", None)
    # The rate of later days changes nothing for a charge that has settled.
    await running.worth(eur=1.50)
    # The cap is the charge's settled amount before the fee: 115.50.
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.create_async({**params, "amount": 2_751, "currency": "usd"})
    assert refusal.value.user_message == (
        "Transfers using this transaction as a source must not exceed the source amount of 11550 "
        "usd. (There is already 8800 usd in transfers using this source.)"
    )
    await client.v1.transfers.create_async({**params, "amount": 2_750, "currency": "usd"})
    assert await sums(running) == {"usd": 11_550 - 365 - 11_550}
    assert await sums(running, payee) == {"usd": 11_550}


async def test_a_charge_that_is_not_booked_yet_is_held_to_what_it_will_settle_as(
    running: Running, client: Json, payee: str
) -> None:
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_500, capture_method="automatic_async")
    assert charge.balance_transaction is None
    await running.worth(eur=1.20)
    params = {"destination": payee, "source_transaction": charge.id, "currency": "usd"}
    with pytest.raises(stripe.InvalidRequestError, match="must be the same"):
        await client.v1.transfers.create_async({**params, "amount": 1, "currency": "eur"})
    with pytest.raises(stripe.InvalidRequestError, match="source amount of 11550 usd"):
        await client.v1.transfers.create_async({**params, "amount": 11_551})
    await client.v1.transfers.create_async({**params, "amount": 11_550})
    await running.advance(5)
    assert await sums(running, payee) == {"usd": 11_550}


@pytest.mark.parametrize(
    ("country", "currency", "amount", "received"),
    [
        ("DE", None, 8_800, (8_000, "eur", 0.909091)),  # 8000.0008
        ("DE", None, 8_801, (8_001, "eur", 0.909091)),  # 8000.9099
        ("JP", None, 1_000, (1_563, "jpy", 1.5625)),  # 1562.5
        ("KW", "kwd", 8_800, (27_077, "kwd", 3.07692)),  # 27076.896
        ("US", None, 8_800, (8_800, "usd", None)),
    ],
)
async def test_a_destination_receives_what_it_can_hold(
    running: Running,
    client: Json,
    country: str,
    currency: str | None,
    amount: int,
    received: tuple[int, str, float | None],
) -> None:
    payee = await payee_in(running, country, currency)
    await running.hold("usd")
    await running.worth(eur=1.10, jpy=0.0064, kwd=3.25)
    charge = await charge_in(running, "usd", 10_000)
    transfer = await client.v1.transfers.create_async(
        {
            "amount": amount,
            "currency": "usd",
            "destination": payee,
            "source_transaction": charge.id,
            "expand": ["balance_transaction"],
        }
    )
    assert posted(transfer.balance_transaction) == (-amount, "usd", None)
    payment = await payment_of(running, transfer)
    assert (payment.amount, payment.currency) == (amount, "usd")
    assert posted(payment.balance_transaction) == received
    assert (payment.balance_transaction.fee, payment.balance_transaction.net) == (0, received[0])
    assert await sums(running) == {"usd": 10_000 - 320 - amount}
    assert await sums(running, payee) == {received[1]: received[0]}


async def test_a_transfer_that_waits_is_converted_when_it_arrives(
    running: Running, client: Json
) -> None:
    payee = await payee_in(running, "DE")
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "usd", 10_000, capture_method="automatic_async")
    transfer = await client.v1.transfers.create_async(
        {
            "amount": 8_800,
            "currency": "usd",
            "destination": payee,
            "source_transaction": charge.id,
        }
    )
    assert (await payment_of(running, transfer)).balance_transaction is None
    await running.worth(eur=1.25)
    await running.advance(5)
    payment = await payment_of(running, transfer)
    assert posted(payment.balance_transaction) == (7_040, "eur", 0.8)


async def test_without_a_source_a_transfer_is_in_a_currency_of_the_balance(
    running: Running, client: Json
) -> None:
    payee = await payee_in(running, "DE")
    await running.hold("usd")
    await running.worth(eur=1.10)
    await charge_in(running, "eur", 10_500, "pm_card_bypassPending")
    params = {"destination": payee, "amount": 1_100}
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        await client.v1.transfers.create_async({**params, "currency": "eur"})
    assert refusal.value.code == "balance_insufficient"
    transfer = await client.v1.transfers.create_async({**params, "currency": "usd"})
    payment = await payment_of(running, transfer)
    assert posted(payment.balance_transaction) == (1_000, "eur", 0.909091)
    assert await sums(running) == {"usd": 11_550 - 365 - 1_100}


async def test_a_transfer_that_could_not_be_converted_later_is_refused_now(
    running: Running, client: Json
) -> None:
    payee = await payee_in(running, "DE", "svc")
    await running.hold("usd")
    charge = await charge_in(running, "usd", 10_000, capture_method="automatic_async")
    params = {"amount": 100, "currency": "usd", "source_transaction": charge.id}
    with pytest.raises(stripe.InvalidRequestError, match="no exchange rate for svc"):
        await client.v1.transfers.create_async({**params, "destination": payee})


async def test_by_default_a_destination_holds_every_currency(
    running: Running, client: Json, payee: str
) -> None:
    charge = await charge_in(running, "eur", 10_500)
    transfer = await client.v1.transfers.create_async(
        {
            "amount": 8_000,
            "currency": "eur",
            "destination": payee,
            "source_transaction": charge.id,
        }
    )
    payment = await payment_of(running, transfer)
    assert posted(payment.balance_transaction) == (8_000, "eur", None)
