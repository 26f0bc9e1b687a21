"""CancelEscrow: what nobody has paid for ends; an open payment is ended first, at Stripe.

Cancels of what is half paid for end too, and say how.
"""

import asyncio

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace, transitions, usd

CHECKOUT, INTENT = pb.PAYMENT_METHOD_CHECKOUT, pb.PAYMENT_METHOD_PAYMENT_INTENT
PATIENCE_S = 10.0


def cancel_of(escrow: pb.Escrow, *, etag: str = "") -> pb.CancelEscrowRequest:
    return pb.CancelEscrowRequest(
        request_id=new_request_id(), escrow_id=escrow.id, reason="Found another.", etag=etag
    )


async def test_it_ends(market: Marketplace) -> None:
    escrow = await market.new_escrow(6_000, 4_000)

    canceled = (await market.payee.escrows.CancelEscrow(cancel_of(escrow))).escrow

    assert canceled.state == pb.ESCROW_STATE_CANCELED
    assert {m.state for m in canceled.milestones} == {pb.MILESTONE_STATE_CANCELED}
    assert {m.waiting_for for m in canceled.milestones} == {""}
    assert await market.books() == []
    entry = (await market.timeline(escrow))[-1]
    assert (entry.operation, entry.actor, entry.note) == (
        "cancel_escrow",
        "payee",
        "Found another.",
    )
    assert sorted(transitions(entry)) == [
        ("esc", "AWAITING_FUNDS", "CANCELED"),
        ("mst", "AWAITING_FUNDS", "CANCELED"),
        ("mst", "AWAITING_FUNDS", "CANCELED"),
    ]
    async with market.refuses("NOTHING_TO_FUND"):
        await market.fund(escrow)


async def test_an_open_payment_is_canceled_at_stripe_first(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)

    canceled = (await market.payer.escrows.CancelEscrow(cancel_of(escrow))).escrow

    assert canceled.state == pb.ESCROW_STATE_CANCELED
    (intent,) = await market.sandbox.objects("/v1/payment_intents")
    assert intent["status"] == "canceled"
    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_CANCELED


@pytest.mark.parametrize("with_etag", [False, True])
async def test_a_replay_answers_the_same_though_a_payment_was_canceled_for_it(
    market: Marketplace, *, with_etag: bool
) -> None:
    escrow = await market.new_escrow()
    await market.fund(escrow)
    escrow = await market.read(escrow)
    request = cancel_of(escrow, etag=escrow.etag if with_etag else "")
    first = await market.payer.escrows.CancelEscrow(request)

    async with market.unchanged():
        again = await market.payer.escrows.CancelEscrow(request)
    assert again == first
    request.reason = "No reason."
    async with market.refuses("REQUEST_ID_REUSED"):
        await market.payer.escrows.CancelEscrow(request)


async def test_a_payer_who_was_faster_gets_it_back_once_it_is_settled(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    await market.pay(payment)

    request = cancel_of(escrow)
    async with market.refuses("PAYMENT_NOT_SETTLED", writes=True):
        await market.payer.escrows.CancelEscrow(request)

    await market.settle()
    paid = await market.read(escrow)
    assert paid.state == pb.ESCROW_STATE_ACTIVE
    assert paid.milestones[0].held == usd(10_000)
    answer = await market.payer.escrows.CancelEscrow(request)
    assert answer.refunded.amount == usd(10_500)  # it was within the payer's window


async def test_what_is_paid_for_in_part_goes_back_in_part(market: Marketplace) -> None:
    escrow = await market.new_escrow(6_000, 4_000)
    payment = await market.fund(escrow, escrow.milestones[0])
    await market.pay(payment)
    await market.settle()

    answer = await market.payer.escrows.CancelEscrow(cancel_of(escrow))

    refunding, canceled = answer.escrow.milestones
    assert refunding.state == pb.MILESTONE_STATE_REFUNDING
    assert canceled.state == pb.MILESTONE_STATE_CANCELED
    assert answer.refunded.amount == usd(6_300)


async def test_what_has_ended_does_not_end_again(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await market.payer.escrows.CancelEscrow(cancel_of(escrow))

    async with market.refuses("WRONG_STATE") as refusal:
        await market.payer.escrows.CancelEscrow(cancel_of(escrow))
    assert refusal.metadata["state"] == "CANCELED"


async def test_a_service_on_nobodys_behalf_does_not_cancel_nor_end_the_payment(
    market: Marketplace,
) -> None:
    escrow = await market.new_escrow()
    await market.fund(escrow)

    async with market.refuses("PARTY_NOT_ALLOWED"):
        await market.service.escrows.CancelEscrow(cancel_of(escrow))


async def test_stripe_is_away(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    request = cancel_of(escrow)
    path = f"/v1/payment_intents/{payment.stripe_payment_intent}/cancel"
    await market.sandbox.fail_next(path, "cut_before_effect", times=3)

    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.CancelEscrow(request)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_AWAITING_FUNDS
    await market.patience()

    canceled = (await market.payer.escrows.CancelEscrow(request)).escrow
    assert canceled.state == pb.ESCROW_STATE_CANCELED


async def test_what_was_changed_since_is_not_canceled_unseen(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await market.fund(escrow)

    async with market.refuses("STALE_ETAG"):
        await market.payer.escrows.CancelEscrow(cancel_of(escrow, etag=escrow.etag))


async def test_there_is_no_such_escrow(market: Marketplace) -> None:
    async with market.refuses("ESCROW_MISSING"):
        await market.payer.escrows.CancelEscrow(cancel_of(pb.Escrow(id=f"esc_{AN_ID}")))


# --- what is half paid for


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
