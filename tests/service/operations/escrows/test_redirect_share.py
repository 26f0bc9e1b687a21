"""RedirectShare: an operator gives what a payee cannot be paid to another."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.effects.test_perform import restrict
from tests.service.movements.strangers import charge_of, dispute
from tests.service.operations.asked import WHY
from tests.service.operations.escrows.split import amounts, plain_books, share, split_escrow
from tests.service.operations.marketplace import AN_ID, Marketplace
from tests.service.operations.refunds.money import assert_done, put_back, refund, stocked


async def redirect(
    market: Marketplace, escrow: pb.Escrow, before: party_pb.Payee, after: party_pb.Payee
) -> pb.Milestone:
    request = pb.RedirectShareRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        payee_id=before.id,
        to_payee_id=after.id,
        reason=WHY,
    )
    operator = market.client("operator", role="operator")
    return (await operator.escrows.RedirectShare(request)).escrow.milestones[0]


async def release(market: Marketplace, escrow: pb.Escrow, amount_minor: int) -> None:
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=amount_minor,
    )
    await market.payer.escrows.ReleaseMilestone(request)


async def test_what_was_released_and_what_is_held(market: Marketplace) -> None:
    ann, bob, eve = await market.new_payee(), await market.new_payee(), await market.new_payee()
    escrow = await split_escrow(market, [share(ann, basis=3_333), share(bob)])
    await release(market, escrow, 1_000)
    await assert_done(market)
    bob = await market.deauthorize(bob)
    await release(market, escrow, 3_001)
    await market.settle()
    before = len(await market.books())

    milestone = await redirect(market, escrow, bob, eve)

    (booked,) = (await plain_books(market, escrow, ann, bob, eve))[before:]
    assert booked == (
        "redirected",
        {"liab:payee:p2:payable": 1_601, "liab:payee:p3:payable": -1_601},
    )
    shown = {payee.payee_id: payee for payee in milestone.payees}
    assert amounts(shown[bob.id]) == (667, 133, 0, 667, 534)
    assert amounts(shown[eve.id])[:4] == (6_000, 1_200, 3_999, 2_001)
    assert shown[eve.id].redirected_from_payee_id == bob.id
    await market.accept(escrow)
    await assert_done(market)
    done = (await market.read(escrow)).milestones[0]
    assert done.state == pb.MILESTONE_STATE_RELEASED
    assert [amounts(payee) for payee in done.payees] == [
        (3_333, 667, 0, 3_333, 2_666),
        (667, 133, 0, 667, 534),
        (6_000, 1_200, 0, 6_000, 4_800),
    ]
    entry = next(e for e in await market.timeline(escrow) if e.operation == "redirect_share")
    assert entry.note == f"{bob.id} to {eve.id}: {WHY}"


async def test_of_the_escrows_only_payee(market: Marketplace) -> None:
    bob, eve = await market.new_payee(active=False), await market.new_payee()
    escrow = await market.delivered_escrow(payee=bob)
    await market.accept(escrow)

    await redirect(market, escrow, bob, eve)
    await assert_done(market)

    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    assert await market.balance(f"conn:{eve.stripe_account}:balance") == 8_000
    assert await market.balance(f"liab:payee:{bob.id}:payable") == 0


async def test_before_anybody_has_paid_and_back(market: Marketplace) -> None:
    bob, eve = await market.new_payee(active=False), await market.new_payee(active=False)
    escrow = await market.new_escrow(payee=bob)

    await redirect(market, escrow, bob, eve)
    milestone = await redirect(market, escrow, eve, bob)

    (payee,) = milestone.payees
    assert amounts(payee) == (10_000, 2_000, 0, 0, 0)
    assert payee.payee_id == bob.id
    (payee,) = (await redirect(market, escrow, bob, eve)).payees
    assert payee.payee_id == eve.id


async def test_what_was_refunded_and_comes_back_is_theirs_whose_it_was(
    market: Marketplace,
) -> None:
    await stocked(market)
    bob, eve = await market.new_payee(active=False), await market.new_payee()
    escrow = await market.delivered_escrow(payee=bob)
    await market.accept(escrow)
    asked = await refund(market, escrow, 4_000)
    await market.settle()
    await redirect(market, escrow, bob, eve)
    await market.settle()

    (found,) = await market.sandbox.objects("/v1/refunds")
    await market.sandbox.control(f"refunds/{found['id']}/fail")
    await market.settle()
    await put_back(market, asked)

    assert await market.balance(f"liab:payee:{bob.id}:payable") == 3_200
    await redirect(market, escrow, bob, eve)
    await assert_done(market)
    assert await market.balance(f"conn:{eve.stripe_account}:balance") == 8_000


async def test_not_from_a_payee_who_can_be_paid(market: Marketplace) -> None:
    ann, bob = await market.new_payee(), await market.new_payee(active=False)
    escrow = await split_escrow(market, [share(ann, basis=5_000), share(bob)])

    async with market.refuses("PAYEE_READY") as refusal:
        await redirect(market, escrow, ann, bob)
    assert refusal.metadata == {"payee_id": ann.id}


async def test_not_because_a_freeze_holds_a_transfer_back(market: Marketplace) -> None:
    """Else a freeze would be a way to take what a payee who can be paid has earned."""
    ann, bob = await market.new_payee(), await market.new_payee()
    escrow = await market.delivered_escrow(payee=ann)
    await market.accept(escrow)  # the transfer is planned, and not sent
    await dispute(market, await charge_of(market, escrow))
    for event in await market.news():
        await market.tell(event)
    await market.inbox.run_once()
    assert (await market.books())[-1][0] == "transfer_refused"

    async with market.refuses("PAYEE_READY"):
        await redirect(market, escrow, ann, bob)


async def test_who_got_it_from_another_has_not_been_refused(market: Marketplace) -> None:
    ann, bob, eve = await market.new_payee(), await market.new_payee(), await market.new_payee()
    escrow = await market.delivered_escrow(payee=ann)
    await restrict(market, ann)
    await market.accept(escrow)
    await market.effects.run_once()
    refused = await redirect(market, escrow, ann, bob)
    assert [payee.payee_id for payee in refused.payees] == [bob.id]

    async with market.refuses("PAYEE_READY"):
        await redirect(market, escrow, bob, eve)


async def test_nothing_is_left(market: Marketplace) -> None:
    bob, eve = await market.new_payee(), await market.new_payee(active=False)
    escrow = await market.delivered_escrow(payee=bob)
    await market.accept(escrow)
    await assert_done(market)
    bob = await market.deauthorize(bob)

    async with market.refuses("NOTHING_TO_REDIRECT"):
        await redirect(market, escrow, bob, eve)


@pytest.mark.parametrize("whose", ["payee_id", "to_payee_id"])
async def test_nobody(market: Marketplace, whose: str) -> None:
    bob, eve = await market.new_payee(active=False), await market.new_payee(active=False)
    escrow = await market.new_escrow(payee=bob)
    nobody = party_pb.Payee(id=f"pye_{AN_ID}")

    async with market.refuses("PAYEE_MISSING"):
        await redirect(
            market,
            escrow,
            nobody if whose == "payee_id" else bob,
            nobody if whose == "to_payee_id" else eve,
        )
    async with market.refuses("INVALID_FIELD"):
        await redirect(market, escrow, bob, bob)
