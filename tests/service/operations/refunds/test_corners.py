"""Refunds in corners: shares worth nothing, what was put back while it was owed, and strangers."""

import asyncio

import grpc

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.effects.test_perform import restrict
from tests.service.movements.strangers import assert_same_as_stripe, charge_of
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.movements.test_currencies import assert_books_hold, entries_of
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import (
    assert_done,
    read_refund,
    receivables,
    refund,
    refund_request,
    stocked,
)
from tests.service.operations.refunds.test_adopt_refund import adopt
from tests.service.operations.refunds.test_currencies import (
    now_at,
    transferred_in_euro,
)
from tests.service.operations.refunds.test_failed_refunds import FAILS, resolve


async def release(market: Marketplace, escrow: pb.Escrow, amount_minor: int | None = None) -> None:
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=amount_minor,
    )
    await market.payer.escrows.ReleaseMilestone(request)


async def test_a_share_that_was_worth_nothing(market: Marketplace) -> None:
    """A yen was less than a cent, so there was no transfer of it. It goes back all the same."""
    await stocked(market)
    await market.sandbox.control("settings", settlement_currencies=["usd"])
    await market.sandbox.control("exchange_rates", jpy=0.0064)
    escrow = await market.new_escrow(10_000, currency="JPY", payee=await market.new_payee())
    await market.pay(await market.fund(escrow))
    await market.settle()
    await release(market, escrow, 1)
    await release(market, escrow)
    await market.settle()
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED

    await refund(market, escrow)
    await market.settle()

    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    await assert_books_hold(market)
    await assert_same_as_stripe(market)
    assert [debt.owed.amount_minor for debt in await receivables(market)] == [0, 0]
    assert await entries_of(market, "written_off_converted") == [
        ("asset:exchange", "JPY", 1),
        ("asset:receivable:payee:*", "JPY", -1),
    ]
    assert (
        await market.owner.fetchval(
            "SELECT count(*) FROM receivables WHERE recover_at < now() + interval '1 minute'"
        )
        == 0
    )


async def test_put_back_while_it_was_owed_and_refunded_again(market: Marketplace) -> None:
    """Converted: the payee kept it all the time."""
    escrow = await transferred_in_euro(market, FAILS)
    asked = await refund(market, escrow)
    await market.effects.run_once()
    await market.sandbox.advance(120)
    for event in await market.news():
        await market.tell(event)
    await market.inbox.run_once()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_FAILED
    (debt,) = await receivables(market)
    assert debt.reversed.amount_minor == 0
    await resolve(market, asked, "PUT_BACK")
    await assert_books_hold(market)
    await now_at(market, 1.2)

    await refund(market, escrow)
    await market.settle()

    await assert_books_hold(market)
    await assert_same_as_stripe(market)


async def test_a_part_that_was_returned_ends_its_milestone(market: Marketplace) -> None:
    """The other part was sent; this one was refunded under way, and then refused."""
    await stocked(market)
    payee = await market.new_payee()
    escrow = await market.funded_escrow(payee=payee)
    await release(market, escrow, 4_000)
    await market.settle()
    await release(market, escrow)
    rest = await market.owner.fetchval(
        "SELECT 'rel_' || replace(release_id::text, '-', '') FROM releases"
        " WHERE state = 'IN_FLIGHT'"
    )
    await market.payee.refunds.RefundMilestone(refund_request(escrow, None, (rest, 6_000)))
    await restrict(market, payee)

    await market.settle()

    assert (await market.read(escrow)).milestones[0].state == pb.MILESTONE_STATE_RELEASED
    await assert_done(market)


async def test_what_is_held_again_is_frozen_by_what_threatens_it(market: Marketplace) -> None:
    """The dashboard was faster, and we hear of that before Stripe refuses ours."""
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    await refund(market, escrow)
    await refund_in_dashboard(market, await charge_of(market, escrow))
    for event in await market.news():
        await market.tell(event)
    await market.inbox.run_once()
    assert (await market.read(escrow)).milestones[0].held == usd(0)

    await market.work()

    milestone = (await market.read(escrow)).milestones[0]
    assert (milestone.held, milestone.frozen) == (usd(10_000), usd(10_000))
    await adopt(market, escrow)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    await assert_done(market)


async def test_many_at_once(market: Marketplace) -> None:
    """Releases and refunds of one milestone, each a request of its own."""
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    calls = [release(market, escrow, 700 + n) for n in range(20)]
    more = [refund(market, escrow, 600 + n) for n in range(20)]
    done = await asyncio.gather(*calls, *more, return_exceptions=True)
    refused = {each.code() for each in done if isinstance(each, grpc.aio.AioRpcError)}
    assert refused <= {grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED}, refused
    await market.settle()
    await assert_done(market)
    await assert_books_hold(market)
