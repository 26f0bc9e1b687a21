"""Payments that end otherwise than their payer, or we, meant: there is a way on from each."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from service.operations.operators.verify_books import verify_books
from tests.service.movements.strangers import assert_same_as_stripe
from tests.service.operations.marketplace import Marketplace, transitions

REFUSED_IBAN = "DE62370400440532013001"
SUSPENSE = "SELECT sum(amount_minor) FROM entries WHERE account LIKE 'liab:suspense:%'"


async def refused_method(market: Marketplace) -> str:
    """A way to pay that the bank will refuse, but not at once."""
    form = {
        "type": "sepa_debit",
        "sepa_debit[iban]": REFUSED_IBAN,
        "billing_details[name]": "Ada",
        "billing_details[email]": "ada@example.com",
    }
    method = await market.sandbox.stripe("/v1/payment_methods", **form)
    return str(method["id"])


async def refused_debit(market: Marketplace) -> tuple[pb.Escrow, pb.Payment]:
    """The payer leaves the page, and days later the bank says no."""
    escrow = await market.new_escrow(currency="EUR", payee=await market.new_payee())
    payment = await market.fund(escrow, method=pb.PAYMENT_METHOD_CHECKOUT)
    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    await market.sandbox.control(
        f"checkout/sessions/{session['id']}/pay", payment_method=await refused_method(market)
    )
    return escrow, payment


async def test_a_debit_that_is_refused_ends_the_payment(market: Marketplace) -> None:
    escrow, payment = await refused_debit(market)
    await market.settle()

    failed = await market.read_payment(payment)

    assert failed.state == pb.PAYMENT_STATE_FAILED
    assert failed.failure.message
    assert not failed.checkout_url
    assert await market.books() == []
    moves = [move for entry in await market.timeline(escrow) for move in transitions(entry)]
    assert [(before, after) for kind, before, after in moves if kind == "pay"][-1][1] == "FAILED"
    again = await market.fund(escrow)
    await market.pay(again)
    await market.settle()
    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    await assert_same_as_stripe(market)


@pytest.mark.parametrize("way", ["read", "cancel payment", "cancel escrow"])
async def test_so_it_does_when_no_event_came(market: Marketplace, way: str) -> None:
    escrow, payment = await refused_debit(market)
    await market.sandbox.advance()

    async with market.refuses("PAYMENT_OPEN"):
        await market.fund(escrow)
    if way == "cancel escrow":
        etag = (await market.read(escrow)).etag  # what the call itself finds out does not count
        request = pb.CancelEscrowRequest(
            request_id=new_request_id(), escrow_id=escrow.id, reason="not paid", etag=etag
        )
        canceled = (await market.payer.escrows.CancelEscrow(request)).escrow
        assert canceled.state == pb.ESCROW_STATE_CANCELED
        return
    if way == "cancel payment":
        stop = pb.CancelPaymentRequest(request_id=new_request_id(), payment_id=payment.id)
        ended = (await market.payer.escrows.CancelPayment(stop)).payment
        assert ended.state == pb.PAYMENT_STATE_FAILED
        assert (await market.payer.escrows.CancelPayment(stop)).payment == ended
    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_FAILED
    await market.fund(escrow)


@pytest.mark.parametrize("funded_again", [False, True])
async def test_a_late_success_is_not_lost(market: Marketplace, *, funded_again: bool) -> None:
    """Support confirms the intent by hand: it pays what still waits for it, or goes to suspense."""
    escrow, payment = await refused_debit(market)
    await market.settle()
    failed = await market.read_payment(payment)
    if funded_again:
        await market.pay(await market.fund(escrow))
        await market.settle()

    intent = f"/v1/payment_intents/{failed.stripe_payment_intent}/confirm"
    await market.sandbox.stripe(intent, payment_method="pm_card_visa")
    await market.settle()

    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_SUCCEEDED
    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    assert await market.owner.fetchval(SUSPENSE) == (-10_500 if funded_again else None)
    report = await verify_books(market.running.runtime.pool)
    assert report.clean, report
    await assert_same_as_stripe(market)


@pytest.mark.parametrize("settled", ["EUR", "USD"])
async def test_an_authorization_that_was_captured_in_part(
    market: Marketplace, settled: str
) -> None:
    """Somebody captures 50.00 of 105.00 in the dashboard. They are the payer's, and shown."""
    await market.sandbox.control("settings", settlement_currencies=[settled.lower()])
    escrow = await market.new_escrow(currency="EUR", payee=await market.new_payee())
    payment = await market.fund(escrow, capture=pb.CAPTURE_STRATEGY_MANUAL)
    await market.pay(payment)
    await market.settle()
    intent = (await market.read_payment(payment)).stripe_payment_intent

    await market.sandbox.stripe(f"/v1/payment_intents/{intent}/capture", amount_to_capture="5000")
    await market.settle()

    paid = await market.read_payment(payment)
    assert paid.state == pb.PAYMENT_STATE_SUCCEEDED
    assert (paid.amount.amount_minor, paid.received.amount_minor) == (10_500, 5_000)
    assert await market.owner.fetchval(SUSPENSE) == -5_000
    milestone = (await market.read(escrow)).milestones[0]
    assert milestone.state == pb.MILESTONE_STATE_AWAITING_FUNDS
    assert milestone.waiting_for == "the payer to pay"
    await market.pay(await market.fund(escrow))
    await market.settle()
    await market.accept(await market.deliver(await market.read(escrow)))
    await market.settle()
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    report = await verify_books(market.running.runtime.pool)
    assert report.clean, report
    await assert_same_as_stripe(market)
