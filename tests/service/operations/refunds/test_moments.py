"""A refund at any moment of a release: before its transfer, while it is under way, and after."""

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.effects.test_perform import restrict
from tests.service.movements.strangers import charge_of, dispute, freezes
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import (
    assert_done,
    balances,
    read_refund,
    receivables,
    refund,
    refund_request,
    stocked,
    transferred,
)
from tests.service.operations.transfers import TRANSFERS, lose_answer


async def in_flight(market: Marketplace, payee: party_pb.Payee | None = None) -> pb.Escrow:
    """The payee's 80.00 are planned, and not sent."""
    await stocked(market)
    escrow = await market.delivered_escrow(payee=payee or await market.new_payee())
    await market.accept(escrow)
    return await market.read(escrow)


async def test_while_the_transfer_is_under_way(market: Marketplace) -> None:
    """The payer does not wait for it, and it is reversed when it has arrived."""
    payee = await market.new_payee()
    escrow = await in_flight(market, payee)
    await lose_answer(market)
    await market.effects.run_once()

    await refund(market, escrow, 4_000)
    await market.effects.run_once()
    (debt,) = await receivables(market)
    assert (debt.state, debt.owed) == (refund_pb.RECEIVABLE_STATE_OWED, usd(3_200))
    (balance,) = await balances(market, payee)
    assert (balance.in_flight, balance.receivable) == (usd(8_000), usd(3_200))
    await market.patience()
    await market.owner.execute("UPDATE receivables SET recover_at = now()")
    await market.settle()
    await market.owner.execute("UPDATE receivables SET recover_at = now() WHERE state = 'OWED'")
    await market.settle()

    (debt,) = await receivables(market)
    assert debt.reversed == usd(3_200)
    done = (await market.read(escrow)).milestones[0]
    assert (done.state, done.released) == (pb.MILESTONE_STATE_RELEASED, usd(6_000))
    await assert_done(market)


async def test_a_transfer_that_is_refused_takes_less_the_next_time(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await in_flight(market, payee)
    await refund(market, escrow, 4_000)
    await restrict(market, payee)

    await market.settle()
    (debt,) = await receivables(market)
    assert (debt.state, debt.netted) == (refund_pb.RECEIVABLE_STATE_SETTLED, usd(3_200))
    await restrict(market, payee, lifted=True)
    await market.settle()
    await market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
    await market.settle()

    (transfer,) = await market.sandbox.objects(TRANSFERS)
    assert transfer["amount"] == 4_800
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    await assert_done(market)


async def test_a_transfer_that_is_refused_and_refunded_is_not_sent(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await in_flight(market, payee)
    await refund(market, escrow)
    await restrict(market, payee)
    await market.settle()

    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    assert await market.sandbox.objects(TRANSFERS) == []
    await assert_done(market)


async def test_a_share_that_paid_a_debt_is_owed_again(market: Marketplace) -> None:
    """8.00 of 16.00 paid what the payee owed; the refund calls 8.00 back and 8.00 are owed."""
    payee = await market.new_payee()
    await stocked(market)
    first = await transferred(market, 1_000, payee=payee)
    await market.pay_out(payee, 800)
    await refund(market, first)
    await market.settle()
    second = await transferred(market, 2_000, payee=payee)
    assert [t["amount"] for t in await market.sandbox.objects(TRANSFERS)] == [800, 800]

    await refund(market, second)
    await market.settle()

    (debt, settled) = await receivables(market)
    assert settled.netted == usd(800)
    assert (debt.amount, debt.reversed, debt.owed) == (usd(1_600), usd(800), usd(800))
    await market.settle()
    await transferred(market, 5_000, payee=payee)
    assert (await market.sandbox.objects(TRANSFERS))[0]["amount"] == 4_000 - 800
    await assert_done(market)


async def test_never_of_a_disputed_charge(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    await dispute(market, await charge_of(market, escrow))
    await market.settle()
    async with market.refuses("PAYMENT_DISPUTED") as refusal:
        await refund(market, escrow)
    assert refusal.metadata["dispute"].startswith("du_")


async def test_a_dispute_that_we_have_not_heard_of_is_refused_by_stripe(
    market: Marketplace,
) -> None:
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    await dispute(market, await charge_of(market, escrow))
    asked = await refund(market, escrow)
    await market.effects.run_once()
    now = await read_refund(market, asked)
    assert (now.state, now.failure_code) == (refund_pb.REFUND_STATE_REJECTED, "charge_disputed")
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)


async def test_not_of_what_is_frozen(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    request = pb.PlaceFreezeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=4_000,
        freeze_reason=pb.FREEZE_REASON_LEGAL,
        reason="The court asked for it.",
    )
    operator = market.client("operator", role="operator")
    frozen = (await operator.escrows.PlaceFreeze(request)).escrow.milestones[0]
    assert frozen.frozen == usd(4_000)
    assert "legal demand" not in frozen.waiting_for

    async with market.refuses("AMOUNT_FROZEN"):
        await refund(market, escrow, 6_001)
    asked = await refund(market, escrow)  # the undisputed rest still moves

    assert asked.amount == usd(6_300)
    assert [row[3] for row in await freezes(market)] == [4_000]
    async with market.refuses("AMOUNT_FROZEN"):
        await operator.escrows.PlaceFreeze(request_of(request, 1))
    assert (await market.read(escrow)).milestones[0].waiting_for.startswith("an operator")
    async with market.refuses("AMOUNT_FROZEN") as refused:  # of all that is left, which is nothing
        await refund(market, escrow)
    assert refused.message.startswith("All 40.00 USD that are held are frozen. GetEscrow shows")
    assert [*refused.rules.values()] == ["FREEZE"]


def request_of(request: pb.PlaceFreezeRequest, amount_minor: int) -> pb.PlaceFreezeRequest:
    again = pb.PlaceFreezeRequest()
    again.CopyFrom(request)
    again.request_id, again.amount_minor = new_request_id(), amount_minor
    return again


async def test_chosen_sources(market: Marketplace) -> None:
    """What is held stays held where the plan says so."""
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    release = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=4_000,
    )
    await market.payer.escrows.ReleaseMilestone(release)
    await market.settle()
    plan = refund_pb.PlanRefundRequest(escrow_id=escrow.id, milestone_id=escrow.milestones[0].id)
    parts = (await market.payee.refunds.PlanRefund(plan)).plan.parts
    release_id = parts[1].release_id

    async with market.refuses("INVALID_FIELD"):
        await market.payee.refunds.RefundMilestone(
            refund_request(escrow, None, (release_id, 1), (release_id, 1))
        )
    async with market.refuses("REFUND_ABOVE_LEFT"):
        await market.payee.refunds.RefundMilestone(
            refund_request(escrow, None, (release_id, 4_001))
        )
    await market.payee.refunds.RefundMilestone(refund_request(escrow, None, (release_id, 1_500)))
    await market.settle()

    milestone = (await market.read(escrow)).milestones[0]
    assert (milestone.held, milestone.released) == (usd(6_000), usd(2_500))
    assert milestone.state == pb.MILESTONE_STATE_FUNDED
    await assert_done(market)
