"""A refund that Stripe refuses, or that fails after it had succeeded, and what becomes of it."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.strangers import charge_of, lift
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import (
    assert_done,
    platform,
    read_refund,
    receivables,
    refund,
    stocked,
    transferred,
)

FAILS, PENDS = "pm_card_refundFail", "pm_card_pendingRefund"
ALWAYS = 86_400 * 8  # until the charge's money is available


async def funded_by(market: Marketplace, card: str) -> pb.Escrow:
    """Of 100.00, by a card whose refunds do not simply succeed."""
    await stocked(market)
    escrow = await market.new_escrow(payee=await market.new_payee())
    await market.pay(await market.fund(escrow), card)
    await market.settle()
    return await market.read(escrow)


async def resolve(
    market: Marketplace, refund: refund_pb.Refund, resolution: str, *, validate_only: bool = False
) -> refund_pb.Refund:
    request = refund_pb.ResolveRefundRequest(
        request_id=new_request_id(),
        refund_id=refund.id,
        resolution=refund_pb.RefundResolution.Value(f"REFUND_RESOLUTION_{resolution}"),
        reason="Their bank said so.",
        validate_only=validate_only,
    )
    operator = market.client("operator", role="operator")
    return (await operator.refunds.ResolveRefund(request)).refund


async def failed(market: Marketplace, escrow: pb.Escrow) -> refund_pb.Refund:
    """Succeeded, and sent back by the payer's bank."""
    asked = await refund(market, escrow)
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_SUCCEEDED
    await market.sandbox.advance(120)
    await market.settle()
    now = await read_refund(market, asked)
    assert now.state == refund_pb.REFUND_STATE_FAILED
    assert "ResolveRefund" in now.waiting_for
    return now


async def test_pending_is_neither_success_nor_failure(market: Marketplace) -> None:
    escrow = await funded_by(market, PENDS)

    asked = await refund(market, escrow)
    await market.settle()

    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_PENDING
    assert (await market.read(escrow)).milestones[0].state == pb.MILESTONE_STATE_REFUNDING
    assert await platform(market, "liab:refunds_in_flight") == -10_500
    await market.sandbox.advance(120)
    await market.settle()
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    await assert_done(market)


async def test_what_stripe_refuses_is_where_it_was(market: Marketplace) -> None:
    """Somebody was faster in the dashboard. Then their refund is seen, and freezes it."""
    await stocked(market)
    escrow = await market.deliver(await market.funded_escrow(payee=await market.new_payee()))
    await refund_in_dashboard(market, await charge_of(market, escrow))

    asked = await refund(market, escrow)
    await market.effects.run_once()

    now = await read_refund(market, asked)
    assert now.state == refund_pb.REFUND_STATE_REJECTED
    assert now.failure_code == "charge_already_refunded"
    milestone = (await market.read(escrow)).milestones[0]
    assert milestone.state == pb.MILESTONE_STATE_DELIVERED
    assert (milestone.held, milestone.refunded) == (usd(10_000), usd(0))
    assert (await market.books(escrow))[-1] == (
        "put_back_to_held",
        {
            "liab:refunds_in_flight": 10_500,
            "liab:escrow:m1:held": -10_000,
            "liab:escrow:m1:fee_held": -500,
        },
    )
    await market.settle()
    assert (await market.read(escrow)).milestones[0].frozen == usd(10_000)


async def test_a_failed_refund_is_owed_to_the_payer(market: Marketplace) -> None:
    """Row 9c: the money is back at Stripe, and still the payer's."""
    escrow = await funded_by(market, FAILS)

    await failed(market, escrow)

    assert (await market.books(escrow))[-1] == (
        "refund_failed",
        {"asset:stripe": 10_500, "liab:refunds_in_flight": -10_500},
    )
    assert (await market.read(escrow)).milestones[0].state == pb.MILESTONE_STATE_REFUNDING


async def test_sent_again(market: Marketplace) -> None:
    escrow = await funded_by(market, FAILS)
    asked = await failed(market, escrow)

    async with market.unchanged():
        await resolve(market, asked, "SEND_AGAIN", validate_only=True)
    again = await resolve(market, asked, "SEND_AGAIN")

    assert again.state == refund_pb.REFUND_STATE_REQUESTED
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_SUCCEEDED
    assert len(await market.sandbox.objects("/v1/refunds")) == 2
    await assert_done(market)
    async with market.refuses("WRONG_STATE"):
        await resolve(market, asked, "PUT_BACK")


async def test_put_back_where_it_was_held(market: Marketplace) -> None:
    escrow = await market.deliver(await funded_by(market, FAILS))
    asked = await failed(market, escrow)

    await resolve(market, asked, "PUT_BACK")

    milestone = (await market.read(escrow)).milestones[0]
    assert milestone.state == pb.MILESTONE_STATE_DELIVERED
    await market.accept(await market.read(escrow))
    await market.settle()
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    await assert_done(market)


async def test_put_back_gives_the_payee_back_what_came_from_them(market: Marketplace) -> None:
    payee = await market.new_payee()
    await stocked(market)
    escrow = await market.new_escrow(payee=payee)
    await market.pay(await market.fund(escrow), FAILS)
    await market.settle()
    await market.accept(await market.deliver(escrow))
    await market.settle()
    asked = await failed(market, escrow)
    (debt,) = await receivables(market)
    if debt.state != refund_pb.RECEIVABLE_STATE_SETTLED:
        await market.sandbox.advance(ALWAYS)
        await market.owner.execute("UPDATE receivables SET recover_at = now()")
        await market.settle()
        (debt,) = await receivables(market)
    assert debt.reversed == usd(8_000)

    await resolve(market, asked, "PUT_BACK")
    await market.settle()

    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    transfers = await market.sandbox.objects("/v1/transfers")
    assert [t["amount"] - t["amount_reversed"] for t in transfers] == [8_000, 0]
    await assert_done(market)


async def test_paid_by_another_way(market: Marketplace) -> None:
    escrow = await funded_by(market, FAILS)
    asked = await failed(market, escrow)

    done = await resolve(market, asked, "PAID_OUTSIDE")

    assert done.state == refund_pb.REFUND_STATE_PAID_OUTSIDE
    assert (await market.books(escrow))[-1] == (
        "refund_paid_outside",
        {"liab:refunds_in_flight": 10_500, "eq:platform_capital": -10_500},
    )
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    await assert_done(market)


@pytest.mark.parametrize("resolution", ["SEND_AGAIN", "PUT_BACK", "PAID_OUTSIDE"])
async def test_only_what_failed_is_resolved(market: Marketplace, resolution: str) -> None:
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    asked = await refund(market, escrow)
    async with market.refuses("WRONG_STATE"):
        await resolve(market, asked, resolution)


async def test_a_refund_that_is_told_by_nobody_is_found(market: Marketplace) -> None:
    """Neither the answer nor an event comes: the sweep of the balance finds both movements."""
    escrow = await funded_by(market, FAILS)
    asked = await refund(market, escrow)
    await market.sandbox.fail_next("/v1/refunds", "cut_after_effect")
    await market.effects.run_once()
    await market.sandbox.advance(120)

    await market.sweep()

    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_FAILED
    kinds = [kind for kind, _ in await market.books(escrow)]
    assert kinds[-2:] == ["refund_confirmed", "refund_failed"] or kinds[-1] == "refund_failed"
    assert (await market.read(escrow)).milestones[0].frozen == usd(0)
    await market.patience()
    await market.settle()
    assert len(await market.sandbox.objects("/v1/refunds")) == 1
    await resolve(market, asked, "PAID_OUTSIDE")
    await assert_done(market)


async def test_a_reversal_of_nobody_here_still_freezes(market: Marketplace) -> None:
    """It names a refund of ours, and no effect of ours asked for it."""
    await stocked(market)
    escrow = await transferred(market)
    asked = await refund(market, escrow, 1_000)
    await market.settle()
    (transfer,) = await market.sandbox.objects("/v1/transfers")
    await market.sandbox.stripe(
        f"/v1/transfers/{transfer['id']}/reversals",
        amount="500",
        **{"metadata[refund]": asked.id, "metadata[effect]": transfer["metadata"]["effect"]},
    )
    await market.settle()
    await market.sweep()
    shown = await market.read(escrow)
    assert [f.reason for f in shown.milestones[0].freezes] == [pb.FREEZE_REASON_TRANSFER_REVERSED]
    await lift(market, escrow)
