"""A dispute between the parties and another's freeze about the same money freeze it once."""

from datetime import timedelta

import pytest

from escrow.v1 import approval_service_pb2 as approval_pb
from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from service.domain.policy import ApprovalLimits
from tests.service.movements.strangers import charge_of
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.operations.approvals.waiting import approval_of, approver, limit
from tests.service.operations.chargebacks.disputes import chargebacks, disputed
from tests.service.operations.chargebacks.test_settlements import settle
from tests.service.operations.deadlines.test_act_on_deadline import freeze, lift, moment, pass_to
from tests.service.operations.disputes.disputing import (
    accept,
    answer,
    contested,
    mediate,
    offer,
    opened,
    read,
    resolution,
    resolve,
    state,
    withdraw,
)
from tests.service.operations.disputes.test_disputes import money
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import refund, refund_request, stocked
from tests.service.operations.refunds.test_adopt_refund import adopt
from tests.service.operations.refunds.test_failed_refunds import FAILS
from tests.service.operations.refunds.test_failed_refunds import resolve as put_back

SECOND = timedelta(seconds=1)


def frozen_by(escrow: escrow_pb.Escrow) -> dict[str, int]:
    """What each reason freezes of the first milestone."""
    name = escrow_pb.FreezeReason.Name
    return {
        name(each.reason).removeprefix("FREEZE_REASON_"): each.amount.amount_minor
        for each in escrow.milestones[0].freezes
    }


@pytest.mark.parametrize("bank_first", [False, True])
async def test_a_chargeback_that_is_won_leaves_the_dispute_as_it_was(
    market: Marketplace, bank_first: bool
) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    if bank_first:
        made = await disputed(market, escrow, amount=4_200)
        dispute = await contested(market, escrow, amount_minor=5_000)
    else:
        dispute = await contested(market, escrow, amount_minor=5_000)
        made = await disputed(market, escrow, amount=4_200)

    both = await market.read(escrow)
    assert money(both) == (10_000, 5_000, 0, 0)
    assert frozen_by(both) == {"CHARGEBACK": 4_200, "DISPUTE": 800}
    async with market.refuses("DISPUTE_BLOCKED") as refused:
        await resolve(market, dispute, 2_500)
    assert list(refused.rules.values()) == ["FREEZE"]
    mediated = await mediate(market.payee, dispute)
    later = Later(market)
    await pass_to(later, moment(mediated.deadline.due_time) + SECOND)
    for _ in range(3):  # the inspection period is over, too: what is not disputed is released
        await later.deadlines.run_once()
    assert (await read(market, dispute)).deadline.refusal == "DISPUTE_BLOCKED"
    assert money(await market.read(escrow)) == (5_000, 5_000, 5_000, 0)

    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()

    done = await read(market, dispute)  # what was put off is done at once
    assert (state(done), done.outcome.to_payer) == ("DEFAULTED", usd(5_000))
    assert money(await market.read(escrow)) == (0, 0, 5_000, 5_000)


async def test_what_a_lost_chargeback_took_counts_as_the_payers(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    dispute = await contested(market, escrow, amount_minor=5_000)
    await offer(market.payer, dispute, 5_000)
    whole = await opened(market.payee, escrow, amount_minor=2_000)
    made = await disputed(market, escrow, amount=6_300)
    assert frozen_by(await market.read(escrow)) == {"CHARGEBACK": 6_300, "DISPUTE": 700}
    await market.sandbox.control(f"disputes/{made['id']}/lose")
    await market.settle()
    (known,) = await chargebacks(market)

    settled = (await settle(market, known)).escrow

    ended, left = await read(market, dispute), await read(market, whole)
    assert (state(ended), ended.lost, ended.outcome.to_payer) == ("DEFAULTED", usd(5_000), usd(0))
    assert (state(left), left.lost) == ("OPEN", usd(1_000))
    assert frozen_by(settled) == {"DISPUTE": 1_000}
    assert settled.milestones[0].held.amount_minor == 4_000
    async with market.refuses("DISPUTE_OVER"):
        await withdraw(market.payer, dispute)
    done = await answer(market.payer, left, pb.DISPUTE_ANSWER_ACCEPT)
    assert [each.amount_minor for each in done.outcome.payees] == [1_000]


async def test_a_loss_takes_what_a_dispute_holds_if_its_own_freeze_was_lifted(
    market: Marketplace,
) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payer, escrow)
    made = await disputed(market, escrow, amount=4_200)
    (bank,) = [
        each
        for each in (await market.read(escrow)).milestones[0].freezes
        if each.reason == escrow_pb.FREEZE_REASON_CHARGEBACK
    ]
    await lift(market, escrow, bank.id)
    assert frozen_by(await market.read(escrow)) == {"DISPUTE": 10_000}
    await market.sandbox.control(f"disputes/{made['id']}/lose")
    await market.settle()
    (known,) = await chargebacks(market)

    settled = (await settle(market, known)).escrow

    left = await read(market, dispute)
    assert (state(left), left.lost) == ("OPEN", usd(4_000))
    assert frozen_by(settled) == {"DISPUTE": 6_000}


async def test_what_a_settlement_took_is_disputed_again_after_a_late_win(
    market: Marketplace,
) -> None:
    """The payer asked for 60, of which a precaution took 42: the payee concedes all of it."""
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payer, escrow, to_payer_minor=6_000)
    made = await disputed(market, escrow, amount=4_410)
    (known,) = await chargebacks(market)
    await settle(market, known, before_outcome=True)
    assert (await read(market, dispute)).lost == usd(4_200)
    await market.sandbox.control(f"disputes/{made['id']}/win")
    await market.settle()
    back = await market.read(escrow)
    assert (await read(market, dispute)).lost.amount_minor == 0
    assert frozen_by(back) == {"DISPUTE": 10_000}

    await answer(market.payee, dispute, pb.DISPUTE_ANSWER_ACCEPT)

    assert money(await market.read(escrow)) == (0, 0, 4_000, 6_000)


async def test_what_an_adopted_refund_took_is_disputed_again_when_it_is_put_back(
    market: Marketplace,
) -> None:
    """The payer asked for 60, of which the dashboard gave back 42: the bank sends it back."""
    await stocked(market)
    escrow = await market.new_escrow(payee=await market.new_payee())
    await market.pay(await market.fund(escrow), FAILS)
    await market.settle()
    escrow = await market.deliver(await market.read(escrow))
    dispute = await opened(market.payer, escrow, amount_minor=7_000, to_payer_minor=6_000)
    await refund_in_dashboard(market, await charge_of(market, escrow), 4_410)
    await market.settle()
    shown = await market.read(escrow)
    (theirs,) = (
        f for f in shown.milestones[0].freezes if f.reason == escrow_pb.FREEZE_REASON_REFUND
    )
    adopted = (await adopt(market, escrow, freeze_id=theirs.id)).refund
    assert (await read(market, dispute)).lost == usd(4_200)
    assert money(await market.read(escrow)) == (5_800, 2_800, 0, 4_200)
    await market.sandbox.advance(120)
    await market.settle()

    await put_back(market, adopted, "PUT_BACK")

    back = await market.read(escrow)
    assert (await read(market, dispute)).lost.amount_minor == 0
    assert frozen_by(back) == {"DISPUTE": 7_000}
    (booked,) = (e for kind, e in await market.books(escrow) if kind == "put_back_to_held")
    assert booked == {
        "liab:refunds_in_flight": 4_410,
        "liab:escrow:m1:held": -4_200,
        "liab:escrow:m1:fee_held": -210,
    }
    await answer(market.payee, dispute, pb.DISPUTE_ANSWER_ACCEPT)
    assert money(await market.read(escrow)) == (3_000, 0, 1_000, 6_000)


async def test_what_stripe_refuses_to_give_back_waits_for_an_operator(market: Marketplace) -> None:
    """Else the inspection would run out, and pay the payee what the dispute gave to the payer. It
    is no part of what another dispute is about, and of one that is opened later.
    """
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payer, escrow, amount_minor=5_000)
    other = await contested(market, escrow, amount_minor=3_000)
    await refund_in_dashboard(market, await charge_of(market, escrow), 6_300)
    await answer(market.payee, dispute, pb.DISPUTE_ANSWER_ACCEPT)

    await market.effects.run_once()

    left = await market.read(escrow)
    assert frozen_by(left) == {"ADMIN": 5_000, "DISPUTE": 3_000}
    assert money(left) == (10_000, 8_000, 0, 0)
    later = await opened(market.payer, left, amount_minor=2_000)
    assert money(await market.read(escrow)) == (10_000, 10_000, 0, 0)
    await withdraw(market.payer, later)
    await offer(market.payer, other, 0)
    await accept(market.payee, other, 1)
    assert money(await market.read(escrow)) == (7_000, 5_000, 3_000, 0)


async def test_time_is_left_to_refund_what_was_kept_for_the_payer(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payer, escrow)
    await refund_in_dashboard(market, await charge_of(market, escrow))
    await answer(market.payee, dispute, pb.DISPUTE_ANSWER_ACCEPT)
    await market.effects.run_once()
    (kept,) = (await market.read(escrow)).milestones[0].freezes
    await market.owner.execute("UPDATE deadlines SET due_at = due_at - interval '80 hours'")

    await lift(market, escrow, kept.id)

    later = Later(market)
    for hours, expected in ((23, (10_000, 0, 0, 0)), (25, (0, 0, 10_000, 0))):
        later.ahead = timedelta(hours=hours)
        await later.deadlines.run_once()
        assert money(await market.read(escrow)) == expected


async def test_what_a_refund_says_of_itself_keeps_nothing(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payer, escrow)
    await withdraw(market.payer, dispute)
    await refund_in_dashboard(market, await charge_of(market, escrow))
    said = refund_request(escrow, 9_000)
    said.reason = f"dispute {dispute.id}"
    await market.payee.refunds.RefundMilestone(said)
    await market.effects.run_once()
    assert money(await market.read(escrow)) == (10_000, 0, 0, 0)


async def test_an_operators_freeze_and_a_dispute_end_in_either_order(market: Marketplace) -> None:
    escrow = await market.funded_escrow(10_000)
    first = await freeze(market, escrow, 3_000)
    dispute = await opened(market.payer, escrow, amount_minor=4_000)
    assert frozen_by(await market.read(escrow)) == {"RISK": 3_000, "DISPUTE": 1_000}
    async with market.refuses("DISPUTE_BLOCKED"):
        await answer(market.payee, dispute, pb.DISPUTE_ANSWER_ACCEPT)
    async with market.refuses("AMOUNT_FROZEN") as refused:
        await refund(market, escrow, 6_001)
    assert "of the 100.00 USD that are held 40.00 USD are frozen" in refused.message
    assert "dispute has to end" in refused.message
    assert "operators lift them" in refused.message
    await lift(market, escrow, first)
    assert frozen_by(await market.read(escrow)) == {"DISPUTE": 4_000}
    await freeze(market, escrow)
    assert frozen_by(await market.read(escrow)) == {"DISPUTE": 0, "RISK": 10_000}

    ended = (await withdraw(market.payer, dispute)).escrow

    assert frozen_by(ended) == {"RISK": 10_000}
    assert money(ended) == (10_000, 10_000, 0, 0)


async def test_above_the_limit_a_second_person_decides(market: Marketplace) -> None:
    await stocked(market)
    await limit(market, ApprovalLimits(refunds_minor=5_000))
    escrow = await market.funded_escrow(10_000)
    small = await contested(market, escrow, amount_minor=4_000)
    assert state((await resolve(market, small, 2_000)).dispute) == "RESOLVED"
    dispute = await contested(market, escrow)
    books = await market.books(escrow)

    async with market.refuses("APPROVAL_NEEDED", writes=True) as refused:
        await resolve(market, dispute, 1_000)
    assert await market.books(escrow) == books
    found = approval_pb.GetApprovalRequest(approval_id=refused.metadata["approval_id"])
    approval = (await approver(market).approvals.GetApproval(found)).approval
    await approver(market).approvals.Approve(approval_of(approval))

    done = await read(market, dispute)
    assert (state(done), done.outcome.to_payer) == ("RESOLVED", usd(1_000))
    assert money(await market.read(escrow)) == (0, 0, 7_000, 3_000)


async def test_who_acted_for_a_party_resolves_and_approves_nothing(market: Marketplace) -> None:
    await limit(market, ApprovalLimits(refunds_minor=5_000))
    dispute = await contested(market, await market.funded_escrow(10_000))
    kim = '["kim@example.com"]'
    await market.owner.execute("UPDATE disputes SET people = $1::jsonb", kim)
    operator = market.client("operator", role="operator", caller="Kim@Example.com")

    async with market.refuses("RESOLVER_IS_PARTY"):
        await operator.disputes.ResolveDispute(resolution(dispute, 1_000))
    async with market.refuses("APPROVAL_NEEDED", writes=True) as refused:
        await resolve(market, dispute, 1_000)
    found = approval_pb.GetApprovalRequest(approval_id=refused.metadata["approval_id"])
    approval = (await approver(market).approvals.GetApproval(found)).approval
    async with market.refuses("RESOLVER_IS_PARTY"):
        await approver(market).approvals.Approve(approval_of(approval))
    await approver(market, "leo@example.com").approvals.Approve(approval_of(approval))
    assert state(await read(market, dispute)) == "RESOLVED"
