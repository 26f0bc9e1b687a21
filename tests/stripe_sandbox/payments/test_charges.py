"""A charge in a currency that the account cannot hold settles in another one."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in, posted


@pytest.mark.parametrize(
    ("presented", "amount", "settled", "gross", "rate", "fee"),
    [
        ("eur", 10_500, "usd", 11_550, 1.1, 365),  # 334.95 + 30
        ("eur", 5_005, "usd", 5_506, 1.1, 190),  # 5505.5
        ("jpy", 1_010, "usd", 657, 0.65, 49),  # 656.5
        ("kwd", 10_020, "usd", 3_257, 0.325, 124),  # 3256.5
        ("usd", 1_000, "jpy", 1_538, 1.53846, 75),  # 1538.46
        ("usd", 1_000, "kwd", 3_077, 3.07692, 119),  # 3076.92
    ],
)
async def test_a_charge_keeps_what_was_presented_and_settles_converted(
    running: Running,
    presented: str,
    amount: int,
    settled: str,
    gross: int,
    rate: float,
    fee: int,
) -> None:
    await running.hold(settled)
    await running.worth(eur=1.10, jpy=0.0065, kwd=3.25)
    charge = await charge_in(running, presented, amount)
    assert (charge.amount, charge.amount_captured, charge.currency) == (amount, amount, presented)
    transaction = charge.balance_transaction
    assert posted(transaction) == (gross, settled, rate)
    assert (transaction.fee, transaction.net) == (fee, gross - fee)
    [detail] = transaction.fee_details
    assert (detail.amount, detail.currency) == (fee, settled)
    books = await running.books()
    held = books["accounts"][running.sandbox.platform]
    assert held["sum_of_net"] == {settled: gross - fee}
    assert held["balance"]["pending"] == {settled: gross - fee}


async def test_an_asynchronous_capture_has_the_rate_of_its_charge(running: Running) -> None:
    client: Json = running.client
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_500, capture_method="automatic_async")
    assert charge.balance_transaction is None
    await running.worth(eur=1.20)
    await running.advance(5)
    charge = await client.v1.charges.retrieve_async(charge.id, {"expand": ["balance_transaction"]})
    assert posted(charge.balance_transaction) == (11_550, "usd", 1.1)
    [updated] = running.receiver.events("charge.updated")
    assert updated["data"]["previous_attributes"] == {"balance_transaction": None}


async def test_what_is_captured_by_hand_has_the_rate_of_the_capture(running: Running) -> None:
    client: Json = running.client
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_000, capture_method="manual")
    await running.worth(eur=1.20)
    intent = await client.v1.payment_intents.capture_async(
        charge.payment_intent,
        {"amount_to_capture": 4_000, "expand": ["latest_charge.balance_transaction"]},
    )
    assert posted(intent.latest_charge.balance_transaction) == (4_800, "usd", 1.2)


@pytest.mark.parametrize(
    ("currency", "least", "step"),
    [
        ("usd", 50, 1),
        ("czk", 15_00, 1),
        ("huf", 175_00, 1),
        ("mxn", 10_00, 1),
        ("inr", 50, 1),
        # Stripe settles in none of these: at least 50 US cents.
        ("isk", 69_00, 100),
        ("xof", 300, 1),
        ("ngn", 739_00, 100),
        ("kwd", 160, 10),
    ],
)
async def test_a_charge_has_a_minimum(
    running: Running, currency: str, least: int, step: int
) -> None:
    await charge_in(running, currency, least)
    with pytest.raises(stripe.InvalidRequestError, match=r"Amount must .* at least") as refused:
        await charge_in(running, currency, least - step)
    assert refused.value.code == "amount_too_small"


async def test_a_minimum_counts_after_the_conversion(running: Running) -> None:
    await running.hold("usd")
    await running.worth(gbp=1.25, inr=0.0125)
    charge = await charge_in(running, "gbp", 40)
    assert posted(charge.balance_transaction) == (50, "usd", 1.25)
    too_small = "Amount must convert to at least 0.50 usd"
    for currency, amount in (("gbp", 39), ("inr", 39_00)):
        with pytest.raises(stripe.InvalidRequestError, match=too_small) as refused:
            await charge_in(running, currency, amount)
        assert refused.value.code == "amount_too_small"
    await charge_in(running, "inr", 40_00)


@pytest.mark.parametrize(
    ("currency", "most", "step"),
    [
        ("usd", 99_999_999, 1),
        ("ugx", 99_999_900, 100),
        ("inr", 999_999_999, 1),
        ("huf", 9_999_999_999, 1),
        ("idr", 999_999_999_999, 1),
    ],
)
async def test_a_charge_has_a_maximum(
    running: Running, currency: str, most: int, step: int
) -> None:
    charge = await charge_in(running, currency, most)
    assert charge.amount == most
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await charge_in(running, currency, most + step)
    assert refused.value.code == "amount_too_large"
