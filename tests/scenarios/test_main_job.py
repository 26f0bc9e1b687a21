"""The main job: money goes from a card to a payee's bank, and every cent of it is booked."""

import grpc
import pytest

from escrow.client import details_of, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.scenarios.books import (
    FUNDED,
    PAYOUT_CREATED,
    PAYOUT_PAID,
    PAYOUT_RETURNED_AFTER_PAID,
    RELEASED,
    SETTLED,
    TRANSFERRED,
    books,
    confirmed,
    funded,
    released,
    requested,
    settled,
)
from tests.scenarios.deal import RETURN_URL, Deal, open_deal
from tests.world import World


async def test_a_job_is_funded_delivered_accepted_and_paid_out(deal: Deal) -> None:
    await deal.fund()
    assert deal.payment.client_secret
    assert deal.payment.amount.amount_minor == 10_500
    await deal.pay()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert await deal.journals() == books(FUNDED, SETTLED)

    await deal.deliver()
    await deal.accept()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert deal.escrow.state == pb.ESCROW_STATE_COMPLETED
    assert await deal.journals() == books(*TRANSFERRED)
    assert await deal.transfers() == [8_000]

    await deal.pay_out(8_000)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    await deal.world.sandbox.control("POST", f"payouts/{deal.payout.stripe_payout}/pay")
    await deal.until_payout(party.PAYOUT_STATE_PAID)
    assert await deal.journals() == books(*TRANSFERRED, PAYOUT_CREATED, PAYOUT_PAID)

    timeline = await deal.as_service.escrows.ListTimeline(
        pb.ListTimelineRequest(escrow_id=deal.escrow.id)
    )
    told = [(entry.operation, entry.actor) for entry in timeline.entries]
    for step in [
        ("create_escrow", "service"),
        ("fund_escrow", "payer"),
        ("apply_stripe_event", "stripe"),
        ("submit_delivery", "payee"),
        ("accept_delivery", "payer"),
        ("settle_effect", "stripe"),
    ]:
        assert step in told


async def test_two_milestones_are_funded_and_paid_one_by_one(world: World) -> None:
    deal = await open_deal(world, 10_000, 5_000)
    await deal.pay_for(1)
    assert deal.escrow.quote.payer_total.amount_minor == 15_750
    await deal.deliver(1)
    await deal.accept(1)
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED, 1)
    assert deal.escrow.state == pb.ESCROW_STATE_ACTIVE
    assert await deal.journals() == books(*TRANSFERRED)

    await deal.pay_for(2)
    await deal.deliver(2)
    await deal.accept(2)
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED, 2)
    assert deal.escrow.state == pb.ESCROW_STATE_COMPLETED
    assert await deal.journals() == books(
        *TRANSFERRED,
        funded(5_000, 250, "m2"),
        settled(5_250, 182),
        released(5_000, payee_fee_minor=1_000, payer_fee_minor=250, milestone="m2"),
        requested(4_000),
        confirmed(4_000),
    )
    assert await deal.transfers() == [4_000, 8_000]


async def test_parts_of_a_milestone_add_up_to_the_cent(world: World) -> None:
    deal = await open_deal(world, 10_000)
    await deal.pay_for()
    await deal.release(amount_minor=3_333)
    assert deal.escrow.milestones[0].state == pb.MILESTONE_STATE_FUNDED
    await deal.deliver()
    await deal.release(amount_minor=3_333)
    assert deal.escrow.milestones[0].state == pb.MILESTONE_STATE_DELIVERED
    assert deal.escrow.milestones[0].held.amount_minor == 3_334
    await deal.accept()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.journals() == books(
        FUNDED,
        SETTLED,
        released(3_333, payee_fee_minor=666, payer_fee_minor=166),
        released(3_333, payee_fee_minor=667, payer_fee_minor=167),
        released(3_334, payee_fee_minor=667, payer_fee_minor=167),
        *(line(share) for share in (2_667, 2_666, 2_667) for line in (requested, confirmed)),
    )
    assert await deal.transfers() == [2_666, 2_667, 2_667]


async def test_money_waits_for_a_payee_who_is_not_onboarded_yet(world: World) -> None:
    deal = await open_deal(world, onboarded=False)
    await deal.pay_for()
    await deal.deliver()
    await deal.accept()
    assert deal.escrow.milestones[0].state == pb.MILESTONE_STATE_RELEASING
    assert deal.escrow.milestones[0].waiting_for
    assert await deal.journals() == books(FUNDED, SETTLED, RELEASED)
    balance = (await deal.find_payee()).balances[0]
    assert (balance.payable.amount_minor, balance.connected.amount_minor) == (8_000, 0)

    await deal.onboard()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.journals() == books(*TRANSFERRED)
    balance = (await deal.find_payee()).balances[0]
    assert (balance.payable.amount_minor, balance.connected.amount_minor) == (0, 8_000)


async def test_the_payee_onboards_on_the_hosted_page_with_an_account_of_v1(world: World) -> None:
    deal = await open_deal(world, onboarded=False, account_api=party.ACCOUNT_API_V1)
    assert deal.payee.state == party.PAYEE_STATE_ONBOARDING
    assert deal.payee.requirements_due
    link = await deal.as_payee.parties.CreateOnboardingLink(
        party.CreateOnboardingLinkRequest(
            request_id=new_request_id(),
            payee_id=deal.payee.id,
            return_url=RETURN_URL,
            refresh_url="https://shop.example/again",
        )
    )
    bank = {"routing_number": "110000000", "account_number": "000123456789"}
    status, back, _ = await world.sandbox.submit(link.url, legal_name="Bob Payee", **bank)
    assert (status, back) == (303, RETURN_URL)
    await deal.until_payee(party.PAYEE_STATE_ACTIVE)

    await deal.pay_for()
    await deal.deliver()
    await deal.accept()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    await deal.pay_out(8_000)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    assert await deal.journals() == books(*TRANSFERRED, PAYOUT_CREATED)


async def test_a_bank_returns_a_payout_days_after_it_was_paid(deal: Deal) -> None:
    await deal.pay_for()
    await deal.release()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    await deal.pay_out(8_000)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    payout = f"payouts/{deal.payout.stripe_payout}"
    await deal.world.sandbox.control("POST", f"{payout}/pay")
    await deal.until_payout(party.PAYOUT_STATE_PAID)
    await deal.world.sandbox.control("POST", f"{payout}/fail", failure_code="account_closed")
    await deal.until_payout(party.PAYOUT_STATE_FAILED)
    assert deal.payout.failure_code == "account_closed"

    assert await deal.journals() == books(
        *TRANSFERRED, PAYOUT_CREATED, PAYOUT_PAID, PAYOUT_RETURNED_AFTER_PAID
    )
    balance = (await deal.find_payee()).balances[0]
    assert (balance.connected.amount_minor, balance.in_transit.amount_minor) == (8_000, 0)


async def test_a_payout_of_money_that_is_not_available_yet_is_refused(deal: Deal) -> None:
    await deal.fund()
    await deal.pay("pm_card_visa")  # available after two days, unlike the usual card here
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    await deal.release()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    with pytest.raises(grpc.RpcError) as refused:
        await deal.pay_out(8_000)
    details = details_of(refused.value)
    assert details.reason == "AMOUNT_NOT_AVAILABLE"
    assert details.metadata["available_minor"] == "0"
    (balance,) = (await deal.find_payee()).balances
    assert (balance.connected.amount_minor, balance.available.amount_minor) == (8_000, 0)
    assert await deal.journals() == books(*TRANSFERRED)
