"""Cancels of what is half paid for: each ends, and says how."""

import asyncio

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import Marketplace, usd

CHECKOUT, INTENT = pb.PAYMENT_METHOD_CHECKOUT, pb.PAYMENT_METHOD_PAYMENT_INTENT
PATIENCE_S = 10.0


async def authorized(market: Marketplace, method: pb.PaymentMethod.ValueType) -> pb.Escrow:
    """The payer's money is held by their bank, and waits for its capture."""
    escrow = await market.new_escrow()
    payment = await market.fund(escrow, method=method, capture=pb.CAPTURE_STRATEGY_MANUAL)
    if method == CHECKOUT:
        (session,) = await market.sandbox.objects("/v1/checkout/sessions")
        path = f"checkout/sessions/{session['id']}/pay"
        await market.sandbox.control(path, payment_method="pm_card_visa")
    else:
        await market.pay(payment)
    return escrow


def cancel_of(escrow: pb.Escrow) -> pb.CancelEscrowRequest:
    return pb.CancelEscrowRequest(request_id=new_request_id(), escrow_id=escrow.id)


@pytest.mark.parametrize("told", [True, False], ids=["told by events", "not told yet"])
@pytest.mark.parametrize("method", [CHECKOUT, INTENT])
async def test_an_authorization_is_given_back_by_its_intent(
    market: Marketplace, method: pb.PaymentMethod.ValueType, told: bool
) -> None:
    escrow = await authorized(market, method)
    if told:
        await market.settle()

    async with asyncio.timeout(PATIENCE_S):
        canceled = (await market.payer.escrows.CancelEscrow(cancel_of(escrow))).escrow

    assert canceled.state == pb.ESCROW_STATE_CANCELED
    (intent,) = await market.sandbox.objects("/v1/payment_intents")
    assert intent["status"] == "canceled"
    (charge,) = await market.sandbox.objects("/v1/charges")
    assert (charge["captured"], charge["refunded"]) == (False, True)
    await market.settle()
    assert await market.books() == []


async def test_what_stripe_does_not_cancel_ends_with_its_refusal(market: Marketplace) -> None:
    """It used to be asked for ever. The next request asks again, and may have more luck."""
    escrow = await authorized(market, INTENT)
    (intent,) = await market.sandbox.objects("/v1/payment_intents")
    path = f"/v1/payment_intents/{intent['id']}/cancel"
    await market.sandbox.fail_next(path, "stored_error", effect=False)
    request = cancel_of(escrow)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.CancelEscrow(request)
    await market.patience()

    async with asyncio.timeout(PATIENCE_S):
        async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
            await market.payer.escrows.CancelEscrow(request)

    assert refusal.metadata["code"] == "stored_failure"
    async with market.refuses("STRIPE_REFUSED"):  # the same request is told the same
        await market.payer.escrows.CancelEscrow(request)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_AWAITING_FUNDS
    canceled = (await market.payer.escrows.CancelEscrow(cancel_of(escrow))).escrow
    assert canceled.state == pb.ESCROW_STATE_CANCELED
    assert canceled.milestones[0].held == usd(0)


async def test_a_cancel_with_an_etag_goes_on_where_stripe_was_away(market: Marketplace) -> None:
    """What it has done itself does not make its etag stale; what others do does."""
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    escrow = await market.read(escrow)
    request = cancel_of(escrow)
    request.etag = escrow.etag
    path = f"/v1/payment_intents/{payment.stripe_payment_intent}/cancel"
    await market.sandbox.fail_next(path, "cut_before_effect", times=3)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.CancelEscrow(request)
    await market.patience()

    other = cancel_of(escrow)
    other.etag = escrow.etag
    async with market.refuses("STALE_ETAG"):
        await market.payer.escrows.CancelEscrow(other)
    first = await market.payer.escrows.CancelEscrow(request)

    assert first.escrow.state == pb.ESCROW_STATE_CANCELED
    again = await market.payer.escrows.CancelEscrow(request)
    assert again.SerializeToString(deterministic=True) == first.SerializeToString(
        deterministic=True
    )
