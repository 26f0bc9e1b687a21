"""CapturePayment: takes what a card was authorized for."""

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace, usd


def capture_of(payment: pb.Payment) -> pb.CapturePaymentRequest:
    return pb.CapturePaymentRequest(request_id=new_request_id(), payment_id=payment.id)


async def authorized(market: Marketplace) -> tuple[pb.Escrow, pb.Payment]:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow, capture=pb.CAPTURE_STRATEGY_MANUAL)
    await market.pay(payment)
    return escrow, await market.read_payment(payment)


async def test_the_money_is_taken_and_held(market: Marketplace) -> None:
    escrow, payment = await authorized(market)
    assert payment.state == pb.PAYMENT_STATE_REQUIRES_CAPTURE
    assert payment.capture == pb.CAPTURE_STRATEGY_MANUAL
    assert await market.books() == []

    captured = (await market.payer.escrows.CapturePayment(capture_of(payment))).payment

    assert captured.state == pb.PAYMENT_STATE_SUCCEEDED
    await market.settle()
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]
    entries = await market.timeline(escrow)
    asked = [entry for entry in entries if entry.operation == "capture_payment"]
    assert [entry.actor for entry in asked] == ["payer"]


async def test_an_authorization_of_which_no_event_told_is_captured(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow(), capture=pb.CAPTURE_STRATEGY_MANUAL)
    await market.pay(payment)

    captured = await market.payer.escrows.CapturePayment(capture_of(payment))

    assert captured.payment.state == pb.PAYMENT_STATE_SUCCEEDED


async def test_what_is_not_authorized_is_not_captured(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow(), capture=pb.CAPTURE_STRATEGY_MANUAL)

    async with market.refuses("WRONG_STATE") as refusal:
        await market.payer.escrows.CapturePayment(capture_of(payment))
    told = {"subject_id": payment.id, "state": "REQUIRES_PAYMENT_METHOD", "event": "capture"}
    assert refusal.metadata == told


async def test_what_is_captured_is_not_captured_again(market: Marketplace) -> None:
    _, payment = await authorized(market)
    await market.payer.escrows.CapturePayment(capture_of(payment))

    async with market.refuses("WRONG_STATE") as refusal:
        await market.payer.escrows.CapturePayment(capture_of(payment))
    assert refusal.metadata["state"] == "SUCCEEDED"


async def test_a_capture_whose_answer_is_lost_happens_once(market: Marketplace) -> None:
    escrow, payment = await authorized(market)
    request = capture_of(payment)
    path = f"/v1/payment_intents/{payment.stripe_payment_intent}/capture"
    await market.sandbox.fail_next(path, "cut_after_effect", times=3)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.CapturePayment(request)
    await market.patience()
    answer = await market.payer.escrows.CapturePayment(request)

    assert answer.payment.state == pb.PAYMENT_STATE_SUCCEEDED
    await market.settle()
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]


async def test_there_is_no_such_payment(market: Marketplace) -> None:
    async with market.refuses("PAYMENT_MISSING"):
        await market.payer.escrows.CapturePayment(capture_of(pb.Payment(id=f"pay_{AN_ID}")))


async def test_what_stripe_has_refused_can_be_asked_again(market: Marketplace) -> None:
    escrow, payment = await authorized(market)
    request = capture_of(payment)
    path = f"/v1/payment_intents/{payment.stripe_payment_intent}/capture"
    await market.sandbox.fail_next(path, "stored_error", effect=False)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.CapturePayment(request)
    await market.patience()

    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.payer.escrows.CapturePayment(request)
    assert refusal.metadata == {"code": "stored_failure"}
    captured = await market.payer.escrows.CapturePayment(capture_of(payment))

    assert captured.payment.state == pb.PAYMENT_STATE_SUCCEEDED
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)
