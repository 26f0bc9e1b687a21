"""Events are hints: when none of them ever comes, what is asked or answered is enough."""

from collections.abc import AsyncIterator

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.scenarios.books import (
    FUNDED,
    PAYOUT_CREATED,
    SETTLED,
    TRANSFERRED,
    books,
)
from tests.scenarios.deal import Deal


@pytest.fixture
async def silent(deal: Deal) -> AsyncIterator[Deal]:
    """A deal about which Stripe delivers nothing until the test is over."""
    await deal.world.sandbox.hold()
    yield deal
    known = await deal.journals()
    await deal.world.sandbox.release()
    await deal.world.settle()
    assert await deal.journals() == known, "late events have changed the books"


async def test_get_payment_alone_learns_that_it_is_paid_and_what_it_cost(silent: Deal) -> None:
    await silent.fund()
    await silent.pay()
    await silent.world.sandbox.advance(2)
    await silent.read_payment()
    assert silent.payment.state == pb.PAYMENT_STATE_SUCCEEDED
    assert silent.payment.processing_fee.amount_minor == 335
    assert await silent.journals() == books(FUNDED, SETTLED)


async def test_get_payment_learns_the_fee_that_was_not_known_when_it_was_paid(silent: Deal) -> None:
    await silent.world.sandbox.control("POST", "settings", capture_delay_ms=3_600_000)
    try:
        await silent.fund()
        await silent.pay()
        await silent.read_payment()
        assert silent.payment.state == pb.PAYMENT_STATE_SUCCEEDED
        assert not silent.payment.HasField("processing_fee")
        assert await silent.journals() == books(FUNDED)
        await silent.world.sandbox.advance(3_601)
        await silent.read_payment()
    finally:
        await silent.world.sandbox.control("POST", "settings", capture_delay_ms=40)
    assert silent.payment.processing_fee.amount_minor == 335
    assert await silent.journals() == books(FUNDED, SETTLED)


async def test_get_payment_shows_a_decline_although_stripes_clock_is_ahead(silent: Deal) -> None:
    await silent.world.sandbox.advance(60)
    await silent.fund()
    await silent.pay("pm_card_visa_chargeDeclined")
    await silent.read_payment()
    assert silent.payment.failure.code == "card_declined"
    assert silent.payment.client_secret


async def test_the_answers_alone_bring_the_money_to_the_payees_bank(silent: Deal) -> None:
    await silent.fund()
    await silent.pay()
    await silent.world.sandbox.advance(2)
    await silent.read_payment()
    await silent.deliver()
    await silent.accept()
    await silent.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await silent.journals() == books(*TRANSFERRED)
    await silent.pay_out(8_000)
    await silent.until_payout(party.PAYOUT_STATE_PENDING)
    assert await silent.journals() == books(*TRANSFERRED, PAYOUT_CREATED)
