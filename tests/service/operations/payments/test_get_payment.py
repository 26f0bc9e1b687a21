"""GetPayment: everything that a payment page needs, asked of Stripe at this moment."""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace, usd


async def test_an_open_payment_has_its_client_secret_which_is_never_stored(
    market: Marketplace,
) -> None:
    payment = await market.fund(await market.new_escrow())

    read = await market.read_payment(payment)

    assert read == payment
    stored = await market.owner.fetch(
        "SELECT t::text FROM operations t UNION ALL SELECT t::text FROM effects t"
        " UNION ALL SELECT t::text FROM payments t"
    )
    responses = await market.owner.fetch("SELECT response FROM operations")
    assert not any(payment.client_secret in row[0] for row in stored)
    assert not any(payment.client_secret.encode() in (row[0] or b"") for row in responses)


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", ""),
    ],
)
async def test_a_card_that_is_declined_says_why_and_another_pays(
    market: Marketplace, card: str, code: str, decline_code: str
) -> None:
    payment = await market.fund(await market.new_escrow())
    await market.pay(payment, card)

    failed = await market.read_payment(payment)

    assert failed.state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD
    assert (failed.failure.code, failed.failure.decline_code) == (code, decline_code)
    assert failed.failure.message
    assert failed.client_secret == payment.client_secret
    await market.pay(payment)
    await market.settle()
    paid = await market.read_payment(payment)
    assert paid.state == pb.PAYMENT_STATE_SUCCEEDED
    assert not paid.client_secret
    assert not paid.HasField("failure")


async def test_three_d_secure_is_told_as_the_next_action(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow())
    await market.pay(payment, "pm_card_threeDSecure2Required")

    waiting = await market.read_payment(payment)

    assert waiting.state == pb.PAYMENT_STATE_REQUIRES_ACTION
    assert waiting.next_action.type == "redirect_to_url"
    assert waiting.next_action.redirect_url.startswith("http")
    assert waiting.client_secret == payment.client_secret
    path = f"payment_intents/{payment.stripe_payment_intent}/authenticate"
    await market.sandbox.control(path, succeeds=True)
    await market.settle()
    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_SUCCEEDED


async def test_reading_books_what_no_event_has_told_yet(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    await market.pay(payment)

    read = await market.read_payment(payment)

    assert read.state == pb.PAYMENT_STATE_SUCCEEDED
    assert read.stripe_charge.startswith("ch_")
    assert not read.HasField("processing_fee")  # not known before the charge has settled
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded"]
    last = (await market.timeline(escrow))[-1]
    assert (last.operation, last.actor) == ("read_payment", "stripe")

    await market.settle()
    assert (await market.read_payment(payment)).processing_fee == usd(335)
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]
    async with market.unchanged():  # what has ended is not asked about again
        await market.read_payment(payment)


async def test_stripe_is_away(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow())
    path = f"/v1/payment_intents/{payment.stripe_payment_intent}"
    await market.sandbox.fail_next(path, "status", method="GET")

    async with market.refuses("STRIPE_UNAVAILABLE"):
        await market.read_payment(payment)
    assert await market.read_payment(payment) == payment


async def test_there_is_no_such_payment(market: Marketplace) -> None:
    async with market.refuses("PAYMENT_MISSING"):
        await market.read_payment(pb.Payment(id=f"pay_{AN_ID}"))
