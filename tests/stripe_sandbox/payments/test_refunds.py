"""Refunds take from the balance what the charge brought, and can wait or come back."""

import pytest
import stripe

from stripe_sandbox.store import Json
from tests.stripe_sandbox.conftest import Running, charge_in, posted

DAY_S = 24 * 3600


async def pay(running: Running, method: str = "pm_card_visa") -> stripe.PaymentIntent:
    """A settled payment of 100.00 on the platform."""
    intent = await running.client.v1.payment_intents.create_async(
        {
            "amount": 10_000,
            "currency": "usd",
            "payment_method": method,
            "allowed_payment_method_types": ["card"],
            "capture_method": "automatic",
            "confirm": True,
        }
    )
    assert intent.status == "succeeded"
    return intent


async def net(running: Running) -> int:
    books = await running.books()
    return int(books["accounts"][running.sandbox.platform]["sum_of_net"]["usd"])


async def test_partial_refunds_up_to_the_charge(running: Running) -> None:
    client = running.client.v1
    intent = await pay(running)
    first = await client.refunds.create_async(
        {"payment_intent": intent.id, "amount": 4_000, "metadata": {"effect": "1"}}
    )
    assert (first.status, first.amount, first.charge) == ("succeeded", 4_000, intent.latest_charge)
    assert await net(running) == 9_680 - 4_000

    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        await client.refunds.create_async({"payment_intent": intent.id, "amount": 6_001})
    rest = await client.refunds.create_async({"charge": str(intent.latest_charge)})
    assert rest.amount == 6_000
    assert await net(running) == -320  # Stripe keeps its fee

    charge = await client.charges.retrieve_async(str(intent.latest_charge), {"expand": ["refunds"]})
    assert (charge.refunded, charge.amount_refunded) == (True, 10_000)
    assert charge.refunds is not None
    assert [refund.id for refund in charge.refunds.data] == [rest.id, first.id]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await client.refunds.create_async({"payment_intent": intent.id})
    assert refused.value.code == "charge_already_refunded"


async def test_a_refund_waits_for_the_asynchronous_capture(running: Running) -> None:
    await running.control("POST", "settings", capture_delay_ms=10_000)
    intent = await running.client.v1.payment_intents.create_async(
        {
            "amount": 10_000,
            "currency": "usd",
            "payment_method": "pm_card_visa",
            "allowed_payment_method_types": ["card"],
            "confirm": True,
        }
    )
    refund = await running.client.v1.refunds.create_async({"payment_intent": intent.id})
    assert (refund.status, refund.pending_reason) == ("pending", "charge_pending")
    await running.advance(20)
    assert (await running.client.v1.refunds.retrieve_async(refund.id)).status == "succeeded"
    assert await net(running) == -320


async def test_a_refund_waits_for_funds(running: Running) -> None:
    client = running.client.v1
    first, second = await pay(running), await pay(running)
    await running.advance(2 * DAY_S)
    await client.refunds.create_async({"payment_intent": first.id})
    waiting = await client.refunds.create_async({"payment_intent": second.id})
    assert (waiting.status, waiting.pending_reason) == ("pending", "insufficient_funds")
    assert waiting.balance_transaction is None

    await pay(running, "pm_card_bypassPending")
    await running.advance(DAY_S)
    refunded = await client.refunds.retrieve_async(waiting.id)
    assert refunded.status == "succeeded"
    assert await net(running) == 3 * 9_680 - 20_000
    assert len(running.receiver.events("refund.updated")) == 1


async def test_a_pending_refund_succeeds_later(running: Running) -> None:
    intent = await pay(running, "pm_card_pendingRefund")
    refund = await running.client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refund.status == "pending"
    await running.advance(60)
    [updated] = running.receiver.events("refund.updated")
    assert updated["data"]["object"]["status"] == "succeeded"
    assert updated["data"]["previous_attributes"]["status"] == "pending"


async def test_a_refund_that_fails_brings_the_money_back(running: Running) -> None:
    intent = await pay(running, "pm_card_refundFail")
    refund = await running.client.v1.refunds.create_async({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    assert await net(running) == -320
    await running.advance(60)
    failed = await running.client.v1.refunds.retrieve_async(
        refund.id, {"expand": ["failure_balance_transaction", "charge"]}
    )
    assert failed.status == "failed"
    assert isinstance(failed.failure_balance_transaction, stripe.BalanceTransaction)
    assert failed.failure_balance_transaction.net == 10_000
    assert isinstance(failed.charge, stripe.Charge)
    assert (failed.charge.refunded, failed.charge.amount_refunded) == (False, 0)
    assert await net(running) == 9_680
    assert len(running.receiver.events("refund.failed")) == 1


async def test_what_was_not_captured_cannot_be_refunded(running: Running) -> None:
    intent = await running.client.v1.payment_intents.create_async(
        {"amount": 1000, "currency": "usd"}
    )
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        await running.client.v1.refunds.create_async({"payment_intent": intent.id})


async def test_a_card_refund_is_changed_but_not_canceled(running: Running) -> None:
    intent = await pay(running)
    refund = await running.client.v1.refunds.create_async({"payment_intent": intent.id})
    updated = await running.client.v1.refunds.update_async(refund.id, {"metadata": {"note": "a"}})
    assert updated.metadata is not None
    assert updated.metadata.to_dict() == {"note": "a"}
    with pytest.raises(stripe.InvalidRequestError, match="requires_action"):
        await running.client.v1.refunds.cancel_async(refund.id)
    listed = await running.client.v1.refunds.list_async({"payment_intent": intent.id})
    assert [found.id for found in listed.data] == [refund.id]


async def refunded(running: Running, charge: str, amount: int) -> Json:
    """A refund with its balance transaction."""
    client: Json = running.client
    return await client.v1.refunds.create_async(
        {"charge": charge, "amount": amount, "expand": ["balance_transaction"]}
    )


async def test_a_refund_is_converted_at_the_rate_of_its_own_day(running: Running) -> None:
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_500, "pm_card_bypassPending")
    assert posted(charge.balance_transaction) == (11_550, "usd", 1.1)
    await running.worth(eur=1.15)
    half = await refunded(running, charge.id, 5_250)
    assert (half.amount, half.currency, half.status) == (5_250, "eur", "succeeded")
    assert posted(half.balance_transaction) == (-6_038, "usd", 1.15)  # 6037.5
    assert (half.balance_transaction.fee, half.balance_transaction.net) == (0, -6_038)
    await running.worth(eur=0.90)
    rest = await refunded(running, charge.id, 5_250)
    assert posted(rest.balance_transaction) == (-4_725, "usd", 0.9)
    assert await net(running) == 11_550 - 365 - 6_038 - 4_725


@pytest.mark.parametrize(
    ("presented", "charged", "amount", "taken"),
    [
        ("jpy", (650, "usd", 0.65), 500, (-355, "usd", 0.71)),
        ("kwd", (325, "usd", 0.325), 505, (-167, "usd", 0.33)),  # 166.65
        ("usd", (3_077, "kwd", 3.07692), 505, (-1_530, "kwd", 3.0303)),  # 1530.30
        ("usd", (1_538, "jpy", 1.53846), 505, (-711, "jpy", 1.40845)),  # 711.27
        ("usd", (1_000, "usd", None), 505, (-505, "usd", None)),
    ],
)
async def test_refunds_know_the_minor_units(
    running: Running,
    presented: str,
    charged: tuple[int, str, float | None],
    amount: int,
    taken: tuple[int, str, float | None],
) -> None:
    await running.hold(charged[1])
    await running.worth(jpy=0.0065, kwd=3.25)
    charge = await charge_in(running, presented, 1_000)
    assert posted(charge.balance_transaction) == charged
    await running.worth(jpy=0.0071, kwd=3.30)
    refund = await refunded(running, charge.id, amount)
    assert posted(refund.balance_transaction) == taken
    await running.books()


async def test_a_refund_waits_for_what_it_costs_today(running: Running) -> None:
    client: Json = running.client
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_000, "pm_card_bypassPending")
    assert charge.balance_transaction.net == 10_651
    await running.worth(eur=1.20)
    waiting = await refunded(running, charge.id, 9_000)  # 10800
    assert (waiting.status, waiting.pending_reason) == ("pending", "insufficient_funds")
    await running.worth(eur=1.18)
    await running.advance(DAY_S)
    refund = await client.v1.refunds.retrieve_async(waiting.id, {"expand": ["balance_transaction"]})
    assert refund.status == "succeeded"
    assert posted(refund.balance_transaction) == (-10_620, "usd", 1.18)
    assert await net(running) == 31


async def test_a_refund_that_fails_comes_back_at_the_rate_of_that_day(running: Running) -> None:
    client: Json = running.client
    await running.hold("usd")
    await running.worth(eur=1.10)
    charge = await charge_in(running, "eur", 10_500, "pm_card_refundFail")
    refund = await refunded(running, charge.id, 5_250)
    assert posted(refund.balance_transaction) == (-5_775, "usd", 1.1)
    await running.worth(eur=1.20)
    await running.advance(60)
    failed = await client.v1.refunds.retrieve_async(
        refund.id, {"expand": ["failure_balance_transaction"]}
    )
    assert failed.status == "failed"
    assert posted(failed.failure_balance_transaction) == (6_300, "usd", 1.2)
    assert await net(running) == 11_550 - 365 - 5_775 + 6_300
