"""What was agreed changes in the middle: from the proposal to the payee's bank."""

from collections.abc import Sequence
from typing import Literal

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.scenarios.books import books, confirmed, funded, released, requested, settled
from tests.scenarios.deal import Deal, open_deal
from tests.world import World


async def agreed(
    deal: Deal,
    *,
    asker: Literal["payer", "payee"],
    prices: Sequence[tuple[int, int]] = (),
    bonus_minor: int = 0,
) -> pb.Proposal:
    """One asks, and the other agrees to what the proposal says."""
    request = agreement.ProposeAmendmentRequest(
        request_id=new_request_id(),
        escrow_id=deal.escrow.id,
        reason="The work has grown.",
        milestones=[
            agreement.AmendedMilestone(milestone_id=deal.milestone_id(number), amount_minor=price)
            for number, price in prices
        ],
    )
    if bonus_minor:
        request.added.add(title="Bonus", amount_minor=bonus_minor)
    asking = deal.world.client.acting(asker).agreements
    proposal = (await asking.ProposeAmendment(request)).proposal
    answer = agreement.AcceptAmendmentRequest(
        request_id=new_request_id(), escrow_id=deal.escrow.id, proposal_id=proposal.id
    )
    answering = deal.world.client.acting("payee" if asker == "payer" else "payer").agreements
    deal.escrow = (await answering.AcceptAmendment(answer)).escrow
    assert deal.escrow.quote == proposal.amended_quote
    return proposal


async def test_a_job_that_grows_and_earns_a_bonus_is_paid_out(world: World) -> None:
    deal = await open_deal(world, 10_000)
    await agreed(deal, asker="payee", prices=[(1, 12_000)])
    await deal.pay_for(1)
    await deal.deliver(1)
    larger = await agreed(deal, asker="payer", bonus_minor=5_000)
    await deal.accept(1)
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED, 1)
    assert deal.escrow.state == pb.ESCROW_STATE_ACTIVE  # the bonus is not paid

    await deal.pay_for(2)
    await deal.release(2)
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED, 2)

    assert deal.escrow.state == pb.ESCROW_STATE_COMPLETED
    assert await deal.journals() == books(
        funded(12_000, 600),
        settled(12_600, 395),
        released(12_000, payee_fee_minor=2_400, payer_fee_minor=600),
        requested(9_600),
        confirmed(9_600),
        funded(5_000, 250, "m2"),
        settled(5_250, 182),
        released(5_000, payee_fee_minor=1_000, payer_fee_minor=250, milestone="m2"),
        requested(4_000),
        confirmed(4_000),
    )
    assert await deal.transfers() == [4_000, 9_600]
    await deal.pay_out(13_600)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    await world.sandbox.control("POST", f"payouts/{deal.payout.stripe_payout}/pay")
    await deal.until_payout(party.PAYOUT_STATE_PAID)
    request = pb.ListTimelineRequest(escrow_id=deal.escrow.id)
    timeline = (await deal.as_service.escrows.ListTimeline(request)).entries
    both = [change for entry in timeline for change in entry.changes]
    assert [(c.before.amount.amount_minor, c.after.amount.amount_minor) for c in both] == [
        (10_000, 12_000),
        (0, 5_000),
    ]
    assert both[1] == larger.changes[0]
