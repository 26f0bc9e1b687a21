"""Refunds of milestones with several payees: each gives back their part."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.operations.escrows.split import (
    amounts,
    in_order,
    plain_books,
    share,
    split_escrow,
)
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import (
    assert_done,
    put_back,
    read_refund,
    receivables,
    refund,
    stocked,
)


def source(amount_minor: int, *, payee: str = "", release: str = "") -> refund_pb.RefundSource:
    return refund_pb.RefundSource(release_id=release, amount_minor=amount_minor, payee_id=payee)


async def refund_from(
    market: Marketplace, escrow: pb.Escrow, *sources: refund_pb.RefundSource
) -> refund_pb.Refund:
    request = refund_pb.RefundMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        sources=sources,
        reason="It was broken.",
    )
    return (await market.payee.refunds.RefundMilestone(request)).refund


async def test_of_what_is_held_pro_rata(market: Marketplace) -> None:
    await stocked(market)
    ann, bob = await market.new_payee(), await market.new_payee()
    escrow = await split_escrow(market, [share(ann, basis=3_333), share(bob)])

    asked = await refund(market, escrow, 101)

    parts = [(p.payee_id, p.price.amount_minor, p.payer_fee.amount_minor) for p in asked.parts]
    assert parts == [(ann.id, 34, 2), (bob.id, 67, 3)]
    shown = (await market.read(escrow)).milestones[0].payees
    assert [each.held for each in shown] == [usd(3_299), usd(6_600)]
    await market.accept(escrow)
    await assert_done(market)
    done = (await market.read(escrow)).milestones[0]
    assert [amounts(each) for each in done.payees] == [
        (3_333, 667, 0, 3_299, 2_638),
        (6_667, 1_333, 0, 6_600, 5_280),
    ]


async def test_of_one_payees_part(market: Marketplace) -> None:
    await stocked(market)
    ann, bob = await market.new_payee(), await market.new_payee()
    escrow = await split_escrow(market, [share(ann, basis=5_000), share(bob)])

    await refund_from(market, escrow, source(5_000, payee=ann.id), source(1_000, payee=bob.id))
    await market.accept(escrow)
    await assert_done(market)

    done = (await market.read(escrow)).milestones[0]
    assert done.state == pb.MILESTONE_STATE_RELEASED
    assert [amounts(each) for each in done.payees] == [
        (5_000, 1_000, 0, 0, 0),
        (5_000, 1_000, 0, 4_000, 3_200),
    ]
    assert await market.balance(f"conn:{ann.stripe_account}:balance") == 0


async def test_after_the_transfers_each_gives_back_theirs(market: Marketplace) -> None:
    await stocked(market)
    ann, bob, eve = [await market.new_payee() for _ in range(3)]
    shares = [share(ann), share(bob, basis=1_000), share(eve, of=2_500)]
    escrow = await split_escrow(market, shares)
    await market.accept(escrow)
    await assert_done(market)
    before = len(await market.books())

    await refund(market, escrow, 5_000)
    await assert_done(market)

    booked = (await plain_books(market, escrow, ann, bob, eve))[before:]
    booked[2:] = in_order(booked[2:])
    assert booked == [
        (
            "refunded_from_payee",
            {
                "asset:receivable:payee:p1": 2_600,
                "rev:service_fee": 1_000,
                "rev:platform_fee": 250,
                "liab:refunds_in_flight": -5_250,
                "asset:receivable:payee:p2": 400,
                "asset:receivable:payee:p3": 1_000,
            },
        ),
        ("refund_confirmed", {"liab:refunds_in_flight": 5_250, "asset:stripe": -5_250}),
        *(
            (
                "reversal_confirmed",
                {
                    "asset:stripe": part,
                    f"conn:a{n}:owner": part,
                    f"asset:receivable:payee:p{n}": -part,
                    f"conn:a{n}:balance": -part,
                },
            )
            for n, part in ((1, 2_600), (2, 400), (3, 1_000))
        ),
    ]


async def test_what_one_cannot_give_back_is_owed_by_them_alone(market: Marketplace) -> None:
    await stocked(market)
    ann, bob = await market.new_payee(), await market.new_payee()
    escrow = await split_escrow(market, [share(ann, basis=5_000), share(bob)])
    await market.accept(escrow)
    await assert_done(market)
    await market.pay_out(bob, 4_000)

    asked = await refund(market, escrow)
    await market.settle()

    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_SUCCEEDED
    owed = {debt.payee_id: debt.owed.amount_minor for debt in await receivables(market)}
    assert owed == {ann.id: 0, bob.id: 4_000}
    assert await market.balance(f"conn:{ann.stripe_account}:balance") == 0

    # What bob owes is netted from what he gets of another's escrow, where he has a part.
    other = await split_escrow(market, [share(ann), share(bob, of=7_000)])
    await market.accept(other)
    await assert_done(market)
    assert [debt.owed.amount_minor for debt in await receivables(market)] == [0, 0]
    assert await market.balance(f"conn:{bob.stripe_account}:balance") == 5_600 - 4_000
    assert await market.balance(f"conn:{ann.stripe_account}:balance") == 2_400


@pytest.mark.parametrize("released", [0, 4_000, 10_000])
async def test_a_refund_that_fails_is_put_back_to_each(market: Marketplace, released: int) -> None:
    await stocked(market)
    ann, bob = await market.new_payee(), await market.new_payee(active=False)
    escrow = await split_escrow(market, [share(ann, basis=3_333), share(bob)])
    if released:
        request = pb.ReleaseMilestoneRequest(
            request_id=new_request_id(),
            escrow_id=escrow.id,
            milestone_id=escrow.milestones[0].id,
            amount_minor=released,
        )
        await market.payer.escrows.ReleaseMilestone(request)
        await market.settle()
    shown = (await market.read(escrow)).milestones[0]
    before = [amounts(each) for each in shown.payees]
    asked = await refund(market, escrow, 9_999)
    await market.settle()
    stripe_refund = (await read_refund(market, asked)).stripe_refund
    await market.sandbox.control(f"refunds/{stripe_refund}/fail")
    await market.settle()

    await put_back(market, asked)

    after = (await market.read(escrow)).milestones[0]
    assert [amounts(each) for each in after.payees] == before
    await market.onboard(bob)
    if after.held.amount_minor:
        await market.accept(escrow)
    await assert_done(market)
    done = (await market.read(escrow)).milestones[0]
    assert [each.released for each in done.payees] == [usd(3_333), usd(6_667)]
    assert done.state == pb.MILESTONE_STATE_RELEASED


async def test_sources_that_do_not_fit(market: Marketplace) -> None:
    ann, bob = await market.new_payee(), await market.new_payee()
    eve = await market.new_payee(active=False)
    escrow = await split_escrow(market, [share(ann, basis=5_000), share(bob)])
    plan = refund_pb.PlanRefundRequest(escrow_id=escrow.id, milestone_id=escrow.milestones[0].id)

    for sources, reason in (
        ([source(5_001, payee=ann.id)], "REFUND_ABOVE_LEFT"),
        ([source(1, payee=eve.id)], "INVALID_FIELD"),
        ([source(1, payee=ann.id), source(1, payee=ann.id)], "INVALID_FIELD"),
        ([source(1, payee=ann.id), source(1)], "INVALID_FIELD"),
    ):
        del plan.sources[:]
        plan.sources.extend(sources)
        async with market.refuses(reason):
            await market.payee.refunds.PlanRefund(plan)
