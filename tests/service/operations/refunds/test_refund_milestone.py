"""RefundMilestone: the payer gets their money back, from wherever it is."""

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import (
    assert_done,
    balances,
    platform,
    read_refund,
    receivables,
    refund,
    refund_request,
    stocked,
    transferred,
)


async def test_before_release(market: Marketplace) -> None:
    """Rows 9a and 9b: 105.00 go back, and Stripe keeps its fee."""
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())

    asked = await refund(market, escrow)

    assert (asked.state, asked.amount) == (refund_pb.REFUND_STATE_REQUESTED, usd(10_500))
    assert (await market.read(escrow)).milestones[0].state == pb.MILESTONE_STATE_REFUNDING
    await market.settle()
    done = await market.read(escrow)
    assert done.state == pb.ESCROW_STATE_REFUNDED
    assert done.milestones[0].state == pb.MILESTONE_STATE_REFUNDED
    assert done.milestones[0].refunded == usd(10_000)
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_SUCCEEDED
    assert (await market.books(escrow))[2:] == [
        (
            "refunded_from_held",
            {
                "liab:escrow:m1:held": 10_000,
                "liab:escrow:m1:fee_held": 500,
                "liab:refunds_in_flight": -10_500,
            },
        ),
        (
            "refund_confirmed",
            {"liab:refunds_in_flight": 10_500, "asset:stripe": -10_500},
        ),
    ]
    await assert_done(market)


async def test_after_release(market: Marketplace) -> None:
    """Row 10: the payee's share has not left, and the platform gives its fees back."""
    await stocked(market)
    escrow = await market.delivered_escrow()  # the payee is not onboarded
    await market.accept(escrow)

    await refund(market, escrow)
    await market.settle()

    assert (await market.books(escrow))[3:] == [
        (
            "refunded_from_payable",
            {
                "liab:payee:payee:payable": 8_000,
                "rev:service_fee": 2_000,
                "rev:platform_fee": 500,
                "liab:refunds_in_flight": -10_500,
            },
        ),
        ("refund_confirmed", {"liab:refunds_in_flight": 10_500, "asset:stripe": -10_500}),
    ]
    done = await market.read(escrow)
    assert done.state == pb.ESCROW_STATE_REFUNDED
    assert done.milestones[0].released == usd(0)
    await assert_done(market)


async def test_after_transfer(market: Marketplace) -> None:
    """Rows 11 and 12: the payer gets it at once, and the transfer is reversed."""
    await stocked(market)
    payee = await market.new_payee()
    escrow = await transferred(market, payee=payee)
    before = len(await market.books())

    asked = await refund(market, escrow)
    await market.settle()

    assert (await market.books(escrow, payee))[before:] == [
        (
            "refunded_from_payee",
            {
                "asset:receivable:payee:payee": 8_000,
                "rev:service_fee": 2_000,
                "rev:platform_fee": 500,
                "liab:refunds_in_flight": -10_500,
            },
        ),
        ("refund_confirmed", {"liab:refunds_in_flight": 10_500, "asset:stripe": -10_500}),
        (
            "reversal_confirmed",
            {
                "asset:stripe": 8_000,
                "conn:account:owner": 8_000,
                "asset:receivable:payee:payee": -8_000,
                "conn:account:balance": -8_000,
            },
        ),
    ]
    (debt,) = await receivables(market)
    assert (debt.state, debt.reversed) == (refund_pb.RECEIVABLE_STATE_SETTLED, usd(8_000))
    assert debt.refund_id == asked.id
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    profit = await platform(market, "rev:service_fee") + await platform(market, "rev:platform_fee")
    assert profit == 0
    await assert_done(market)


async def test_after_payout_the_payee_owes_it(market: Marketplace) -> None:
    """The payer does not wait for it, and the payee's next release pays it (row 20)."""
    await stocked(market)
    payee = await market.new_payee()
    escrow = await transferred(market, payee=payee)
    await market.pay_out(payee, 8_000)

    asked = await refund(market, escrow)
    await market.settle()

    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_SUCCEEDED
    (debt,) = await receivables(market, "state = OWED")
    assert (debt.owed, debt.refusal_code) == (usd(8_000), "balance_insufficient")
    assert debt.retry_time.seconds > 0
    (balance,) = await balances(market, payee)
    assert (balance.receivable, balance.connected) == (usd(8_000), usd(0))
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED

    later = await transferred(market, 20_000, payee=payee)

    (debt,) = await receivables(market)
    assert (debt.state, debt.netted) == (refund_pb.RECEIVABLE_STATE_SETTLED, usd(8_000))
    (balance,) = await balances(market, payee)
    assert (balance.receivable, balance.connected) == (usd(0), usd(8_000))
    (transfer, _) = await market.sandbox.objects("/v1/transfers")
    assert transfer["amount"] == 16_000 - 8_000
    kinds = dict(await market.books(later))
    assert kinds["debt_netted"] == {
        "liab:payee:payee:payable": 8_000,
        "asset:receivable:payee:payee": -8_000,
    }
    await assert_done(market)


@pytest.mark.parametrize("parts", [(3_333, 3_333, 3_334), (1, 9_998, 1), (7, 13, 17)])
async def test_whatever_the_parts_no_cent_is_lost(
    market: Marketplace, parts: tuple[int, ...]
) -> None:
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())

    for amount_minor in parts:
        await refund(market, escrow, amount_minor)
    if (await market.read(escrow)).milestones[0].held.amount_minor:
        await refund(market, escrow)
    await market.settle()

    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    refunds = await market.sandbox.objects("/v1/refunds")
    assert sum(each["amount"] for each in refunds) == 10_500
    await assert_done(market)


async def test_held_money_goes_first(market: Marketplace) -> None:
    """Of 40.00 released and sent and 60.00 held, 80.00 take all that is held and 20.00 of it."""
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    release = pb.ReleaseMilestoneRequest(
        request_id="7f1f7b8a-7c59-4d4e-9a3e-0d5a31d4b4a1",
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=4_000,
    )
    await market.payer.escrows.ReleaseMilestone(release)
    await market.settle()

    asked = await refund(market, escrow, 8_000)
    await market.settle()

    origins = [(part.origin, part.price) for part in asked.parts]
    assert origins == [
        (refund_pb.REFUND_ORIGIN_HELD, usd(6_000)),
        (refund_pb.REFUND_ORIGIN_PAYEE, usd(2_000)),
    ]
    milestone = (await market.read(escrow)).milestones[0]
    assert milestone.state == pb.MILESTONE_STATE_RELEASED
    assert (milestone.released, milestone.refunded) == (usd(2_000), usd(8_000))
    await assert_done(market)


async def test_what_was_planned_is_done_or_nothing(market: Marketplace) -> None:
    escrow = await market.funded_escrow(payee=await market.new_payee())
    ask = refund_pb.PlanRefundRequest(
        escrow_id=escrow.id, milestone_id=escrow.milestones[0].id, amount_minor=2_000
    )
    async with market.unchanged():
        plan = (await market.payee.refunds.PlanRefund(ask)).plan
    assert (plan.amount, plan.from_payees, plan.borne_by_platform) == (usd(2_100), usd(0), usd(0))

    request = refund_request(escrow, 2_500, plan_hash=plan.hash)
    async with market.refuses("PLAN_CHANGED"):
        await market.payee.refunds.RefundMilestone(request)

    request = refund_request(escrow, 2_000, plan_hash=plan.hash)
    done = (await market.payee.refunds.RefundMilestone(request)).refund
    assert list(done.parts) == list(plan.parts)
    async with market.unchanged():
        again = (await market.payee.refunds.RefundMilestone(request)).refund
    assert again == done


@pytest.mark.parametrize(
    ("amount_minor", "reason"), [(10_001, "REFUND_ABOVE_LEFT"), (99_999, "REFUND_ABOVE_LEFT")]
)
async def test_no_more_than_is_left(
    shared_market: Marketplace, amount_minor: int, reason: str
) -> None:
    escrow = await shared_market.funded_escrow()
    async with shared_market.refuses(reason) as refusal:
        await refund(shared_market, escrow, amount_minor)
    assert refusal.metadata["left_minor"] == "10000"


async def test_what_was_not_paid_is_not_refunded(shared_market: Marketplace) -> None:
    escrow = await shared_market.new_escrow()
    async with shared_market.refuses("WRONG_STATE"):
        await refund(shared_market, escrow)


async def test_the_payer_cannot_help_themselves(shared_market: Marketplace) -> None:
    escrow = await shared_market.funded_escrow()
    async with shared_market.refuses("PARTY_NOT_ALLOWED"):
        await shared_market.payer.refunds.RefundMilestone(refund_request(escrow))
