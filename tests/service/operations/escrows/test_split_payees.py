"""A milestone with several payees: each their own part, fee, payable, transfer and blockers."""

import asyncio

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.depth import deeper
from tests.service.operations.escrows.split import (
    amounts,
    in_order,
    plain_books,
    request_of,
    share,
    split_escrow,
)
from tests.service.operations.marketplace import AN_ID, Marketplace, usd
from tests.service.operations.refunds.money import assert_done


async def release(
    market: Marketplace, escrow: pb.Escrow, amount_minor: int | None = None
) -> pb.Milestone:
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=amount_minor,
    )
    return (await market.payer.escrows.ReleaseMilestone(request)).escrow.milestones[0]


async def test_three_payees_line_by_line(market: Marketplace) -> None:
    ann, bob, eve = [await market.new_payee() for _ in range(3)]
    shares = [share(ann), share(bob, basis=1_000), share(eve, of=2_501)]

    escrow = await split_escrow(market, shares, 10_001)
    await market.accept(escrow)
    await assert_done(market)

    booked = await plain_books(market, escrow, ann, bob, eve)
    booked[8:] = in_order(booked[8:])
    assert booked == [
        (
            "payment_succeeded",
            {
                "asset:stripe_unsettled": 10_501,
                "liab:escrow:m1:held": -10_001,
                "liab:escrow:m1:fee_held": -500,
            },
        ),
        (
            "charge_settled",
            {"asset:stripe": 10_166, "exp:processing": 335, "asset:stripe_unsettled": -10_501},
        ),
        (
            "released",
            {
                "liab:escrow:m1:held": 6_500,
                "liab:escrow:m1:fee_held": 324,
                "liab:payee:p1:payable": -5_200,
                "rev:service_fee": -1_300,
                "rev:platform_fee": -324,
            },
        ),
        (
            "released",
            {
                "liab:escrow:m1:held": 1_000,
                "liab:escrow:m1:fee_held": 50,
                "liab:payee:p2:payable": -800,
                "rev:service_fee": -200,
                "rev:platform_fee": -50,
            },
        ),
        (
            "released",
            {
                "liab:escrow:m1:held": 2_501,
                "liab:escrow:m1:fee_held": 126,
                "liab:payee:p3:payable": -2_001,
                "rev:service_fee": -500,
                "rev:platform_fee": -126,
            },
        ),
        (
            "transfer_requested",
            {"liab:payee:p1:payable": 5_200, "liab:transfers_in_flight": -5_200},
        ),
        ("transfer_requested", {"liab:payee:p2:payable": 800, "liab:transfers_in_flight": -800}),
        (
            "transfer_requested",
            {"liab:payee:p3:payable": 2_001, "liab:transfers_in_flight": -2_001},
        ),
        (
            "transfer_confirmed",
            {
                "liab:transfers_in_flight": 5_200,
                "asset:stripe": -5_200,
                "conn:a1:balance": 5_200,
                "conn:a1:owner": -5_200,
            },
        ),
        (
            "transfer_confirmed",
            {
                "liab:transfers_in_flight": 800,
                "asset:stripe": -800,
                "conn:a2:balance": 800,
                "conn:a2:owner": -800,
            },
        ),
        (
            "transfer_confirmed",
            {
                "liab:transfers_in_flight": 2_001,
                "asset:stripe": -2_001,
                "conn:a3:balance": 2_001,
                "conn:a3:owner": -2_001,
            },
        ),
    ]
    done = await market.read(escrow)
    assert done.state == pb.ESCROW_STATE_COMPLETED
    shown = {payee.payee_id: amounts(payee) for payee in done.milestones[0].payees}
    assert shown == {
        ann.id: (6_500, 1_300, 0, 6_500, 5_200),
        bob.id: (1_000, 200, 0, 1_000, 800),
        eve.id: (2_501, 500, 0, 2_501, 2_001),
    }


async def test_one_who_cannot_be_paid_holds_up_nobody(market: Marketplace) -> None:
    ann, bob = await market.new_payee(), await market.new_payee(active=False)
    escrow = await split_escrow(market, [share(ann, basis=5_000), share(bob, basis=5_000)])

    await market.accept(escrow)
    await market.settle()

    (milestone,) = (await market.read(escrow)).milestones
    first, second = milestone.payees
    assert milestone.state == pb.MILESTONE_STATE_RELEASING
    assert amounts(first) == (5_000, 1_000, 0, 5_000, 4_000)
    assert amounts(second) == (5_000, 1_000, 0, 5_000, 0)
    assert first.waiting_for == ""
    assert second.waiting_for == "the payee to finish onboarding"
    assert milestone.waiting_for == f"{bob.id}: the payee to finish onboarding"
    assert await market.balance(f"liab:payee:{bob.id}:payable") == 4_000

    await market.onboard(bob)
    await assert_done(market)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED


@pytest.mark.parametrize(
    "parts", [(1, 9_998, 1), (3_333, 3_333, 3_334), (9_999, 1), (7, 13, 17), (2, 2, 2)]
)
async def test_whatever_the_parts_each_gets_theirs(
    market: Marketplace, parts: tuple[int, ...]
) -> None:
    payees = [await market.new_payee() for _ in range(3)]
    shares = [
        share(each, basis=basis) for each, basis in zip(payees, (3_333, 3_334, 3_333), strict=True)
    ]
    escrow = await split_escrow(market, shares)

    for part in parts:
        await release(market, escrow, part)
    if sum(parts) < 10_000:
        await release(market, escrow)
    await assert_done(market)

    done = await market.read(escrow)
    assert done.state == pb.ESCROW_STATE_COMPLETED
    totals = [amounts(payee) for payee in done.milestones[0].payees]
    # 2,000 of fees among three: 666.6, 666.8 and 666.6
    assert totals == [
        (3_333, 667, 0, 3_333, 2_666),
        (3_334, 667, 0, 3_334, 2_667),
        (3_333, 666, 0, 3_333, 2_667),
    ]
    for account, earned in (("rev:service_fee", 2_000), ("rev:platform_fee", 500)):
        booked = "SELECT -sum(amount_minor) FROM entries WHERE account = $1"
        assert await market.owner.fetchval(booked, account) == earned


async def test_the_escrows_payee_alone_is_no_split(market: Marketplace) -> None:
    ann = await market.new_payee()
    request = await request_of(market, [share(ann)])

    escrow = (await market.service.escrows.CreateEscrow(request)).escrow

    assert list(escrow.milestones[0].payees) == []
    assert await market.owner.fetchval("SELECT count(*) FROM milestone_payees") == 0


async def test_somebody_else_alone(market: Marketplace) -> None:
    lead, ann = await market.new_payee(), await market.new_payee()
    request = await request_of(market, [share(ann)], lead=lead)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    await market.pay(await market.fund(escrow))
    await market.settle()

    await release(market, escrow)
    await assert_done(market)

    assert await market.balance(f"conn:{ann.stripe_account}:balance") == 8_000
    assert await market.balance(f"conn:{lead.stripe_account}:balance") == 0


async def test_in_steps_of_the_currency(market: Marketplace) -> None:
    payees = [await market.new_payee(active=False) for _ in range(3)]
    shares = [
        share(each, basis=basis) for each, basis in zip(payees, (3_333, 3_334, 3_333), strict=True)
    ]
    request = await request_of(market, shares, 1_000_000, currency="ISK")

    escrow = (await market.service.escrows.CreateEscrow(request)).escrow

    parts = [amounts(payee)[:2] for payee in escrow.milestones[0].payees]
    assert parts == [(333_300, 66_700), (333_400, 66_700), (333_300, 66_600)]


@pytest.mark.parametrize(
    ("wanted", "field", "problem"),
    [
        ([(5_000, None)], "", "must add up to the price"),
        ([(5_000, None), (5_001, None)], "", "must add up to the price"),
        ([(None, 9_999), (None, 2)], "", "must add up to the price"),
        ([(None, 5_000), (5_000, None), (None, None)], "[2]", "comes to nothing"),
        ([(5_000, 5_000), (None, None)], "[0]", "must have one of"),
        ([(None, None), (None, None)], "[1]", "one payee can get the rest"),
    ],
)
async def test_shares_that_do_not_fit(
    market: Marketplace, wanted: list[tuple[int | None, int | None]], field: str, problem: str
) -> None:
    payees = [await market.new_payee(active=False) for _ in wanted]
    shares = [
        share(payee, basis=basis, of=of) for payee, (basis, of) in zip(payees, wanted, strict=True)
    ]
    request = await request_of(market, shares)

    async with market.refuses("INVALID_FIELD") as refusal:
        await market.service.escrows.CreateEscrow(request)

    ((path, description),) = refusal.fields.items()
    assert path == f"milestones[0].payees{field}"
    assert problem in description


async def test_amounts_are_of_the_currencys_steps(market: Marketplace) -> None:
    ann, bob = await market.new_payee(active=False), await market.new_payee(active=False)
    request = await request_of(market, [share(ann, of=150), share(bob)], 1_000_000, currency="ISK")

    async with market.refuses("AMOUNT_NOT_MULTIPLE") as refusal:
        await market.service.escrows.CreateEscrow(request)
    assert list(refusal.fields) == ["milestones[0].payees[0].amount_minor"]


async def test_the_same_payee_twice_and_nobody(market: Marketplace) -> None:
    ann = await market.new_payee(active=False)
    twice = await request_of(market, [share(ann, basis=5_000), share(ann)])
    async with market.refuses("INVALID_FIELD"):
        await market.service.escrows.CreateEscrow(twice)

    nobody = await request_of(market, [share(ann), pb.PayeeShare(payee_id=f"pye_{AN_ID}")])
    nobody.milestones[0].payees[1].basis_points = 100
    async with market.refuses("PAYEE_MISSING") as refusal:
        await market.service.escrows.CreateEscrow(nobody)
    assert refusal.metadata == {"payee_id": f"pye_{AN_ID}"}


async def test_many_parts_at_once(market: Marketplace) -> None:
    parts = deeper(25, 100)
    ann, bob = await market.new_payee(), await market.new_payee()
    escrow = await split_escrow(market, [share(ann, basis=3_333), share(bob)])

    await asyncio.gather(*(release(market, escrow, 10_000 // parts) for _ in range(parts)))
    await assert_done(market)

    done = (await market.read(escrow)).milestones[0]
    assert [amounts(payee) for payee in done.payees] == [
        (3_333, 667, 0, 3_333, 2_666),
        (6_667, 1_333, 0, 6_667, 5_334),
    ]
    assert done.released == usd(10_000)
