"""Refunds take from the balance what the charge brought, and can wait or come back."""

import pytest
import stripe

from tests.stripe_sandbox.conftest import Running

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
