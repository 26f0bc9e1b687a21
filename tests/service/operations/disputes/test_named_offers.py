"""Offers that say what each payee gets: done exactly so, or not at all."""

import pytest

from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import party_service_pb2 as party_pb
from service.migrations import MIGRATIONS, down, load_migrations, up
from tests.service.operations.chargebacks.disputes import chargebacks, disputed
from tests.service.operations.chargebacks.test_settlements import settle
from tests.service.operations.disputes.disputing import accept, contested, offer, read, state
from tests.service.operations.disputes.test_disputes import money
from tests.service.operations.escrows.split import in_order, plain_books, share, split_escrow
from tests.service.operations.explanation.test_explain_escrow import explain
from tests.service.operations.marketplace import Entries, Marketplace, usd
from tests.service.operations.refunds.money import stocked

DIVIDED: Entries = [
    (
        "released",
        {
            "liab:escrow:m1:held": 1_000,
            "liab:escrow:m1:fee_held": 50,
            "liab:payee:p1:payable": -800,
            "rev:service_fee": -200,
            "rev:platform_fee": -50,
        },
    ),
    ("transfer_requested", {"liab:payee:p1:payable": 800, "liab:transfers_in_flight": -800}),
    (
        "released",
        {
            "liab:escrow:m1:held": 3_000,
            "liab:escrow:m1:fee_held": 150,
            "liab:payee:p2:payable": -2_400,
            "rev:service_fee": -600,
            "rev:platform_fee": -150,
        },
    ),
    ("transfer_requested", {"liab:payee:p2:payable": 2_400, "liab:transfers_in_flight": -2_400}),
    (
        "released",
        {
            "liab:escrow:m1:held": 2_000,
            "liab:escrow:m1:fee_held": 100,
            "liab:payee:p3:payable": -1_600,
            "rev:service_fee": -400,
            "rev:platform_fee": -100,
        },
    ),
    ("transfer_requested", {"liab:payee:p3:payable": 1_600, "liab:transfers_in_flight": -1_600}),
    (
        "refunded_from_held",
        {
            "liab:escrow:m1:held": 4_000,
            "liab:escrow:m1:fee_held": 200,
            "liab:refunds_in_flight": -4_200,
        },
    ),
]
"""40 to the payer, 10, 30 and 20 to the payees, whose parts would be 30, 18 and 12."""


async def three(market: Marketplace) -> tuple[escrow_pb.Escrow, list[party_pb.Payee]]:
    """100.00 for three payees, 50, 30 and 20 % of it, delivered."""
    await stocked(market)
    payees = [await market.new_payee() for _ in range(3)]
    shares = [share(payees[0], basis=5_000), share(payees[1], basis=3_000), share(payees[2])]
    return await split_escrow(market, shares, 10_000), payees


def each(payees: list[party_pb.Payee], *amounts_minor: int) -> list[pb.DisputeShare]:
    return [
        pb.DisputeShare(payee_id=payee.id, amount_minor=minor)
        for payee, minor in zip(payees, amounts_minor, strict=False)
        if minor
    ]


def got(dispute: pb.Dispute) -> list[int]:
    return [each.amount_minor for each in dispute.outcome.payees]


async def test_the_other_side_accepts_what_each_payee_gets(market: Marketplace) -> None:
    escrow, payees = await three(market)
    stranger = await market.new_payee()
    dispute = await contested(market, escrow)
    before = len(await market.books())
    for reason, to_payer, wanted in (
        ("SPLIT_DOES_NOT_ADD_UP", 4_001, each(payees, 1_000, 3_000, 2_000)),
        ("SPLIT_DOES_NOT_ADD_UP", 3_999, each(payees, 1_000, 3_000, 2_000)),
        ("SHARE_ABOVE_HELD", 4_000, each(payees, 999, 3_001, 2_000)),
        ("SHARE_ABOVE_HELD", 4_000, each([stranger, *payees], 1, 5_000, 999)),
        ("INVALID_FIELD", 4_000, each([payees[0]] * 2, 3_000, 3_000)),
        ("INVALID_FIELD", 4_000, [*each(payees, 5_000, 1_001), pb.DisputeShare()]),
        ("INVALID_FIELD", 4_000, [pb.DisputeShare(payee_id=payees[0].id, amount_minor=-1)]),
        ("INVALID_FIELD", 10_001, each(payees, 1)),
    ):
        async with market.refuses(reason):
            await offer(market.payer, dispute, to_payer, wanted)

    wanted = each(payees, 1_000, 3_000, 2_000)
    offered = await offer(market.payer, dispute, 4_000, reversed(wanted))

    assert (offered.offer.to_payer, list(offered.offer.payees)) == (usd(4_000), wanted)
    assert (await read(market, dispute)).offer == offered.offer
    told = (await market.timeline(escrow))[-1].note
    assert told == (
        f"{dispute.id}: offer 1, 40.00 USD to the payer, 20.00 USD to {payees[2].id},"
        f" 30.00 USD to {payees[1].id}, 10.00 USD to {payees[0].id}"
    )
    async with market.refuses("OFFER_IS_YOURS"):
        await accept(market.payer, dispute, 1)
    assert len(await market.books()) == before

    done = await accept(market.payee, dispute, 1)

    assert (state(done), done.outcome.to_payer) == ("RESOLVED", usd(4_000))
    assert list(done.outcome.payees) == wanted
    assert (await read(market, dispute)).outcome == done.outcome
    booked = (await plain_books(market, escrow, *payees))[before:]
    assert in_order(booked) == in_order(DIVIDED)
    await market.settle()
    assert money(await market.read(escrow)) == (0, 0, 6_000, 4_000)


async def test_an_offer_is_not_done_where_a_payee_has_less_by_now(market: Marketplace) -> None:
    """The disputed 40 are offered to the first payee, of whose 50 the payer then accepts 30."""
    escrow, payees = await three(market)
    dispute = await contested(market, escrow, amount_minor=4_000)
    await offer(market.payee, dispute, 0, each(payees, 4_000))
    asked = ("payer", "AcceptDisputeSplit")

    async def verdict() -> tuple[bool, str]:
        told = (await explain(market, escrow)).actions
        (found,) = [one for one in told if (one.party, one.method) == asked]
        return found.allowed, found.refusal

    assert await verdict() == (True, "")
    await market.accept(escrow)
    assert await verdict() == (False, "OFFER_OUTDATED")
    async with market.refuses("OFFER_OUTDATED"):
        await accept(market.payer, dispute, 1)
    again = await offer(market.payee, dispute, 700, each(payees, 2_000, 500, 800))

    assert got(await accept(market.payer, again, 2)) == [2_000, 500, 800]

    left = (await market.read(escrow)).milestones[0]
    assert [one.released.amount_minor for one in left.payees] == [5_000, 2_300, 2_000]
    assert (left.held.amount_minor, left.refunded.amount_minor) == (0, 700)


async def test_an_offer_is_void_where_more_or_less_is_disputed_by_now(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    payee = [party_pb.Payee(id=escrow.payee_id)]
    dispute = await contested(market, escrow)
    await offer(market.payer, dispute, 4_000, each(payee, 6_000))
    made = await disputed(market, escrow, amount=4_410)
    async with market.refuses("DISPUTE_BLOCKED"):  # the bank's freeze alone voids no offer
        await accept(market.payee, dispute, 1)
    (known,) = await chargebacks(market)
    await settle(market, known, before_outcome=True)
    less = await read(market, dispute)
    assert (less.lost, less.HasField("offer")) == (usd(4_200), False)
    async with market.refuses("OFFER_OUTDATED"):
        await accept(market.payee, dispute, 1)
    await offer(market.payer, dispute, 800)
    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()
    async with market.refuses("OFFER_OUTDATED"):
        await accept(market.payee, dispute, 2)
    await offer(market.payer, dispute, 4_000, each(payee, 6_000))

    assert got(await accept(market.payee, dispute, 3)) == [6_000]


@pytest.mark.parametrize("by_old", [False, True])
async def test_offers_of_the_version_before_are_done_as_ever(
    market: Marketplace, by_old: bool
) -> None:
    """One that is there at the upgrade; or one that a process of it makes meanwhile, in the place
    of one that names payees, which no such process can accept: it sees no amount.
    """
    escrow, payees = await three(market)
    dispute = await contested(market, escrow)
    if by_old:
        await offer(market.payer, dispute, 5_000, each(payees, 0, 3_000, 2_000))
        assert await market.owner.fetchval("SELECT offer_minor FROM disputes") is None
        await market.owner.execute("UPDATE disputes SET offer_minor = 4000")
    else:
        await offer(market.payer, dispute, 4_000)
        newer = [one for one in load_migrations(MIGRATIONS) if one.version >= "0038"]
        await down(market.owner, load_migrations(MIGRATIONS), len(newer))
        await up(market.owner, load_migrations(MIGRATIONS))
    known = await read(market, dispute)
    assert (known.offer.to_payer, list(known.offer.payees)) == (usd(4_000), [])

    assert got(await accept(market.payee, dispute, 1)) == [3_000, 1_800, 1_200]
