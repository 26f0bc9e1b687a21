"""Every way a payment can go between the payer and Stripe, and what the ledger says of it."""

import asyncio

import grpc
import pytest

from escrow.client import new_request_id, reason_of
from escrow.v1 import escrow_service_pb2 as pb
from tests.scenarios.books import FUNDED, SETTLED, books
from tests.scenarios.deal import RETURN_URL, Deal

CHECKOUT = pb.PAYMENT_METHOD_CHECKOUT
MANUAL = pb.CAPTURE_STRATEGY_MANUAL
ASKS_FOR_3DS = "pm_card_authenticationRequired"
CARD_FORM = {"email": "ann@example.com", "expiry": "12 / 34", "cvc": "123", "name": "Ann Payer"}


async def stripe_intent(deal: Deal) -> dict[str, object]:
    return await deal.world.sandbox.stripe(
        "GET", f"/v1/payment_intents/{deal.payment.stripe_payment_intent}"
    )


async def test_checkout_is_paid_on_the_hosted_page_with_3d_secure(deal: Deal) -> None:
    sandbox = deal.world.sandbox
    await deal.fund(method=CHECKOUT)
    assert not deal.payment.client_secret
    status, three_d_secure, _ = await sandbox.submit(
        deal.payment.checkout_url, **CARD_FORM, number="4000 0027 6000 3184"
    )
    assert status in (302, 303)
    await deal.until_payment(pb.PAYMENT_STATE_REQUIRES_ACTION)
    assert await deal.journals() == []
    _, back, _ = await sandbox.submit(three_d_secure, outcome="complete")
    assert back == RETURN_URL
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    await deal.until_milestone(pb.MILESTONE_STATE_FUNDED)
    assert await deal.journals() == books(FUNDED, SETTLED)
    assert not (await deal.read_payment()).checkout_url


async def test_checkout_survives_a_declined_card(deal: Deal) -> None:
    sandbox = deal.world.sandbox
    await deal.fund(method=CHECKOUT)
    page = deal.payment.checkout_url
    status, _, text = await sandbox.submit(page, **CARD_FORM, number="4000 0000 0000 9995")
    assert status == 402
    assert "insufficient funds" in text
    assert (await deal.read_payment()).failure.decline_code == "insufficient_funds"
    assert deal.payment.checkout_url == page
    _, back, _ = await sandbox.submit(page, **CARD_FORM, number="4242 4242 4242 4242")
    assert back == RETURN_URL
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)


async def test_a_payment_waits_for_3d_secure_and_is_authenticated(deal: Deal) -> None:
    await deal.fund()
    await deal.pay(ASKS_FOR_3DS)
    await deal.until_payment(pb.PAYMENT_STATE_REQUIRES_ACTION)
    await deal.read_payment()
    assert deal.payment.next_action.type == "redirect_to_url"
    assert deal.payment.client_secret
    assert await deal.journals() == []
    await deal.world.sandbox.submit(deal.payment.next_action.redirect_url, outcome="complete")
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)
    assert not (await deal.read_payment()).client_secret


async def test_after_failed_authentication_another_card_succeeds(deal: Deal) -> None:
    await deal.fund()
    await deal.pay(ASKS_FOR_3DS)
    await deal.read_payment()
    assert deal.payment.state == pb.PAYMENT_STATE_REQUIRES_ACTION
    await deal.world.sandbox.advance(2)  # the customer takes a moment
    await deal.world.sandbox.submit(deal.payment.next_action.redirect_url, outcome="fail")
    await deal.until_payment(pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD)
    await deal.read_payment()
    assert deal.payment.failure.code == "payment_intent_authentication_failure"
    assert not deal.payment.HasField("next_action")
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)
    assert not (await deal.read_payment()).HasField("failure")


async def test_after_a_declined_card_another_succeeds(deal: Deal) -> None:
    await deal.fund()
    await deal.pay("pm_card_visa_chargeDeclinedInsufficientFunds")
    await deal.read_payment()
    assert deal.payment.state == pb.PAYMENT_STATE_REQUIRES_PAYMENT_METHOD
    assert deal.payment.failure.code == "card_declined"
    assert deal.payment.failure.decline_code == "insufficient_funds"
    assert await deal.journals() == []
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    await deal.until_milestone(pb.MILESTONE_STATE_FUNDED)
    assert await deal.journals() == books(FUNDED, SETTLED)


async def test_an_authorized_payment_is_captured(deal: Deal) -> None:
    await deal.fund(capture=MANUAL)
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_REQUIRES_CAPTURE)
    assert await deal.journals() == []
    assert (await deal.read()).milestones[0].state == pb.MILESTONE_STATE_AWAITING_FUNDS
    await deal.capture()
    assert deal.payment.state == pb.PAYMENT_STATE_SUCCEEDED
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    await deal.until_milestone(pb.MILESTONE_STATE_FUNDED)
    assert await deal.journals() == books(FUNDED, SETTLED)


async def test_an_authorized_payment_is_let_go(deal: Deal) -> None:
    await deal.fund(capture=MANUAL)
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_REQUIRES_CAPTURE)
    await deal.cancel_payment()
    assert deal.payment.state == pb.PAYMENT_STATE_CANCELED
    assert (await stripe_intent(deal))["status"] == "canceled"
    assert await deal.journals() == []


async def test_a_canceled_payment_is_replaced_by_checkout(deal: Deal) -> None:
    await deal.fund()
    first = deal.payment.id
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await deal.fund(method=CHECKOUT)
    assert reason_of(refused.value) == "PAYMENT_OPEN"
    await deal.cancel_payment()
    await deal.fund(method=CHECKOUT)
    assert deal.payment.id != first
    await deal.world.sandbox.submit(
        deal.payment.checkout_url, **CARD_FORM, number="4242 4242 4242 4242"
    )
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    await deal.until_milestone(pb.MILESTONE_STATE_FUNDED)
    assert deal.escrow.milestones[0].payment_id == deal.payment.id
    assert await deal.journals() == books(FUNDED, SETTLED)


@pytest.mark.parametrize("method", [pb.PAYMENT_METHOD_PAYMENT_INTENT, CHECKOUT])
async def test_canceling_an_escrow_cancels_its_open_payment_at_stripe(
    deal: Deal, method: pb.PaymentMethod.ValueType
) -> None:
    sandbox = deal.world.sandbox
    await deal.fund(method=method)
    page = deal.payment.checkout_url
    await deal.cancel()
    assert deal.escrow.state == pb.ESCROW_STATE_CANCELED
    assert deal.escrow.milestones[0].state == pb.MILESTONE_STATE_CANCELED
    await deal.until_payment(pb.PAYMENT_STATE_CANCELED)
    if method == CHECKOUT:
        status, _, _ = await sandbox.submit(page, **CARD_FORM, number="4242 4242 4242 4242")
        assert status == 410
    else:
        assert (await stripe_intent(deal))["status"] == "canceled"
    assert await deal.journals() == []


async def test_canceling_an_escrow_gives_back_what_was_paid_meanwhile(
    deal: Deal,
) -> None:
    sandbox = deal.world.sandbox
    await deal.fund()
    await sandbox.hold()  # nobody tells us that it is paid
    await deal.pay()
    await deal.cancel()
    given_back = pb.MILESTONE_STATE_REFUNDING, pb.MILESTONE_STATE_REFUNDED
    assert (await deal.read()).milestones[0].state in given_back
    await sandbox.release()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert "refunded_from_held" in str(await deal.journals())


async def test_whoever_wins_the_race_between_paying_and_canceling_the_books_are_right(
    deal: Deal,
) -> None:
    await deal.fund()
    request = pb.CancelEscrowRequest(request_id=new_request_id(), escrow_id=deal.escrow.id)
    canceled, paid = await asyncio.gather(
        deal.as_payer.escrows.CancelEscrow(request), deal.pay(), return_exceptions=True
    )
    assert not (isinstance(canceled, BaseException) and isinstance(paid, BaseException))
    await deal.read()
    if not isinstance(canceled, BaseException) and not isinstance(paid, BaseException):
        assert "refunded_from_held" in str(await deal.journals())  # paid first, and given back
    elif isinstance(canceled, BaseException):
        await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
        await deal.until_milestone(pb.MILESTONE_STATE_FUNDED)
        assert await deal.journals() == books(FUNDED, SETTLED)
    else:
        assert deal.escrow.state == pb.ESCROW_STATE_CANCELED
        assert (await stripe_intent(deal))["status"] == "canceled"
        assert await deal.journals() == []
