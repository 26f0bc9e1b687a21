"""CancelPayment: an open payment is given up, unless the payer was faster."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.asked import WHY
from tests.service.operations.marketplace import AN_ID, Marketplace, transitions, usd


def cancel_of(payment: pb.Payment) -> pb.CancelPaymentRequest:
    return pb.CancelPaymentRequest(request_id=new_request_id(), payment_id=payment.id, reason=WHY)


@pytest.mark.parametrize("method", [pb.PAYMENT_METHOD_PAYMENT_INTENT, pb.PAYMENT_METHOD_CHECKOUT])
async def test_the_milestones_can_be_paid_another_way(
    market: Marketplace, method: pb.PaymentMethod.ValueType
) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow, method=method)

    canceled = (await market.payer.escrows.CancelPayment(cancel_of(payment))).payment

    assert canceled.state == pb.PAYMENT_STATE_CANCELED
    assert not canceled.client_secret
    assert not canceled.checkout_url
    assert await market.books() == []
    entries = await market.timeline(escrow)
    moves = [move for entry in entries for move in transitions(entry)]
    assert ("pay", "REQUIRES_PAYMENT_METHOD", "CANCELED") in moves
    again = await market.fund(escrow)
    await market.pay(again)
    await market.settle()
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)


async def test_an_authorization_is_given_back(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow, capture=pb.CAPTURE_STRATEGY_MANUAL)
    await market.pay(payment)

    canceled = (await market.operator.escrows.CancelPayment(cancel_of(payment))).payment
    await market.settle()

    assert canceled.state == pb.PAYMENT_STATE_CANCELED
    assert await market.books() == []
    (charge,) = await market.sandbox.objects("/v1/charges")
    assert (charge["captured"], charge["refunded"]) == (False, True)


@pytest.mark.parametrize("way", ["payment", "escrow"])
async def test_what_was_canceled_at_stripe_and_nobody_told_us_of_is_canceled(
    market: Marketplace, way: str
) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    intent = f"/v1/payment_intents/{payment.stripe_payment_intent}/cancel"
    await market.sandbox.stripe(intent)

    if way == "payment":
        canceled = (await market.payer.escrows.CancelPayment(cancel_of(payment))).payment
        assert canceled.state == pb.PAYMENT_STATE_CANCELED
        await market.fund(escrow)
    else:
        request = pb.CancelEscrowRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            reason="Found another.",
            etag=(await market.read(escrow)).etag,
        )
        ended = (await market.payer.escrows.CancelEscrow(request)).escrow
        assert ended.state == pb.ESCROW_STATE_CANCELED
        assert (await market.payer.escrows.CancelEscrow(request)).escrow == ended


async def test_a_payer_who_was_faster_has_paid(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    await market.pay(payment)

    async with market.refuses("WRONG_STATE", writes=True) as refusal:
        await market.payer.escrows.CancelPayment(cancel_of(payment))

    told = {"subject_id": payment.id, "state": "SUCCEEDED", "event": "cancel"}
    assert refusal.metadata == told
    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_SUCCEEDED
    await market.settle()
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)


async def test_what_has_ended_is_not_canceled(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow())
    await market.payer.escrows.CancelPayment(cancel_of(payment))

    async with market.refuses("WRONG_STATE") as refusal:
        await market.payer.escrows.CancelPayment(cancel_of(payment))
    assert refusal.metadata["state"] == "CANCELED"


async def test_there_is_no_such_payment(market: Marketplace) -> None:
    async with market.refuses("PAYMENT_MISSING"):
        await market.payer.escrows.CancelPayment(cancel_of(pb.Payment(id=f"pay_{AN_ID}")))


async def test_what_stripe_has_refused_can_be_asked_again(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow())
    request = cancel_of(payment)
    path = f"/v1/payment_intents/{payment.stripe_payment_intent}/cancel"
    await market.sandbox.fail_next(path, "stored_error", effect=False)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.CancelPayment(request)
    await market.patience()

    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.payer.escrows.CancelPayment(request)
    assert refusal.metadata["code"] == "stored_failure"
    canceled = await market.payer.escrows.CancelPayment(cancel_of(payment))

    assert canceled.payment.state == pb.PAYMENT_STATE_CANCELED
