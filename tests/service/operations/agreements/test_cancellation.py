"""Cancellations: each window from both sides, and what it takes beyond them."""

from datetime import UTC, datetime, timedelta

import pytest

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from service.domain.policy import Periods, Policy, Unanswered
from tests.service.domain.policies import rules
from tests.service.operations.agreements.asking import (
    WHY,
    cancellation,
    deadline_of,
    moment,
    payer_asks,
)
from tests.service.operations.deadlines.test_act_on_deadline import freeze, kinds, lift, states
from tests.service.operations.escrows.test_request_changes import changes_to
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, escrow_request, usd
from tests.service.operations.policies.policies import apply
from tests.service.operations.refunds.money import stocked

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ANSWER = pb.DEADLINE_KIND_ANSWER
BACK = {
    "liab:escrow:m1:held": 10_000,
    "liab:escrow:m1:fee_held": 500,
    "liab:refunds_in_flight": -10_500,
}


def cancel(escrow: pb.Escrow, *numbers: int, dry_run: bool = False) -> pb.CancelEscrowRequest:
    return pb.CancelEscrowRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        reason=WHY,
        milestone_ids=[escrow.milestones[number - 1].id for number in numbers],
        validate_only=dry_run,
    )


async def paid_ago(market: Marketplace, escrow: pb.Escrow, ago: timedelta) -> None:
    """Its payment succeeded so long ago."""
    at = datetime.now(UTC) - ago
    await market.owner.execute("UPDATE milestones SET funded_at = $1", at)
    assert escrow.id


async def due_ago(market: Marketplace, escrow: pb.Escrow, ago: timedelta) -> None:
    at = datetime.now(UTC) - ago
    await market.owner.execute(
        "UPDATE milestones SET due_at = $1 WHERE escrow_id = $2::text::uuid", at, escrow.id[4:]
    )


def answer_to(proposal: pb.Proposal, escrow: pb.Escrow) -> agreement_pb.ApproveCancellationRequest:
    return agreement_pb.ApproveCancellationRequest(
        request_id=new_request_id(), escrow_id=escrow.id, proposal_id=proposal.id, reason=WHY
    )


def refusal_of(proposal: pb.Proposal, escrow: pb.Escrow) -> agreement_pb.DeclineCancellationRequest:
    return agreement_pb.DeclineCancellationRequest(
        request_id=new_request_id(), escrow_id=escrow.id, proposal_id=proposal.id, reason=WHY
    )


# --- the windows


async def test_a_payer_cancels_within_a_day_and_gets_all_of_it_back(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.funded_escrow(10_000)
    await paid_ago(market, escrow, DAY - 10 * SECOND)
    before = len(await market.books())

    answer = await market.payer.escrows.CancelEscrow(cancel(escrow))

    assert states(answer.escrow) == ["REFUNDING"]
    assert answer.refunded.amount == usd(10_500)
    assert len(answer.refunded.refund_ids) == 1
    assert (await market.books(escrow))[before:] == [("refunded_from_held", BACK)]
    assert kinds(answer.escrow) == ["HOLD_LIMIT"]  # until Stripe has sent it back
    await market.settle()
    ended = await market.read(escrow)
    assert kinds(ended) == []
    assert (states(ended), ended.state) == (["REFUNDED"], pb.ESCROW_STATE_REFUNDED)
    (refund,) = await market.sandbox.objects("/v1/refunds")
    assert (refund["amount"], refund["status"]) == (10_500, "succeeded")


async def test_after_a_day_the_payer_needs_the_payee(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    await paid_ago(market, escrow, DAY + SECOND)

    async with market.refuses("CANCELLATION_BLOCKED") as refusal:
        await market.payer.escrows.CancelEscrow(cancel(escrow))

    (milestone,) = escrow.milestones
    assert refusal.blockers.keys() == {milestone.id}
    assert "payers could cancel it until" in refusal.blockers[milestone.id]
    assert "RequestCancellation" in refusal.message


@pytest.mark.parametrize("ago", [SECOND, 300 * DAY])
async def test_a_payee_gives_it_back_at_any_time(market: Marketplace, ago: timedelta) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow()
    await paid_ago(market, escrow, ago)

    answer = await market.payee.escrows.CancelEscrow(cancel(escrow))

    assert states(answer.escrow) == ["REFUNDING"]
    assert dict(await market.books(escrow))["refunded_from_held"] == BACK


async def test_what_is_delivered_the_payer_does_not_cancel_alone(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()

    async with market.refuses("CANCELLATION_BLOCKED") as refusal:
        await market.payer.escrows.CancelEscrow(cancel(escrow))
    assert "it is delivered" in refusal.blockers[escrow.milestones[0].id]


@pytest.mark.parametrize("passed", [True, False])
async def test_a_missed_due_date_lets_the_payer_cancel(market: Marketplace, passed: bool) -> None:
    await stocked(market)
    escrow = await market.funded_escrow()
    await paid_ago(market, escrow, 30 * DAY)
    await due_ago(market, escrow, SECOND if passed else -60 * SECOND)

    if passed:
        answer = await market.payer.escrows.CancelEscrow(cancel(escrow))
        assert answer.refunded.amount == usd(10_500)
        return
    async with market.refuses("CANCELLATION_BLOCKED"):
        await market.payer.escrows.CancelEscrow(cancel(escrow))


async def test_what_was_paid_for_after_its_due_date_nobody_has_missed(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.funded_escrow()
    await due_ago(market, escrow, 31 * DAY)
    await paid_ago(market, escrow, 30 * DAY)

    async with market.refuses("CANCELLATION_BLOCKED") as refusal:
        await market.payer.escrows.CancelEscrow(cancel(escrow))
    assert "payers could cancel it until" in refusal.blockers[escrow.milestones[0].id]


@pytest.mark.parametrize("missed", [False, True])
async def test_what_was_delivered_once_and_sent_back_takes_the_payee(
    market: Marketplace, missed: bool
) -> None:
    """Neither within the window, nor after the due date: the payer has had the work."""
    await stocked(market)
    escrow = await market.delivered_escrow()
    if missed:
        await paid_ago(market, escrow, 30 * DAY)
        await due_ago(market, escrow, SECOND)
    back = (await market.payer.escrows.RequestChanges(changes_to(escrow))).escrow
    assert states(back) == ["FUNDED"]
    waits = back.milestones[0].waiting_for
    assert waits.startswith("the payee to deliver again: it was due 20" if missed else "the payee")
    assert "is late" not in waits  # they may have been in time

    async with market.refuses("CANCELLATION_BLOCKED") as refusal:
        await market.payer.escrows.CancelEscrow(cancel(escrow))
    assert "it was delivered, and sent back" in refusal.blockers[escrow.milestones[0].id]
    assert "refunded_from_held" not in dict(await market.books(escrow))
    proposal = await payer_asks(market, back)
    answer = await market.payee.agreements.ApproveCancellation(answer_to(proposal, escrow))
    assert dict(await market.books(escrow))["refunded_from_held"] == BACK
    assert states(answer.escrow) == ["REFUNDING"]


async def test_an_operator_cancels_with_a_reason(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow()
    request = cancel(escrow)
    request.reason = ""
    async with market.refuses("INVALID_FIELD"):
        await market.operator.escrows.CancelEscrow(request)

    request.reason = "They have agreed by telephone."
    answer = await market.operator.escrows.CancelEscrow(request)

    assert states(answer.escrow) == ["REFUNDING"]
    assert (await market.timeline(escrow))[-1].note == request.reason


async def test_a_dry_run_says_what_would_go_back_and_writes_nothing(market: Marketplace) -> None:
    escrow = await market.funded_escrow(10_000)

    async with market.unchanged():
        answer = await market.payer.escrows.CancelEscrow(cancel(escrow, dry_run=True))

    assert answer.refunded.amount == usd(10_500)
    assert states(answer.escrow) == ["REFUNDING"]


async def test_what_was_released_stays_so_and_the_rest_goes_back(market: Marketplace) -> None:
    await stocked(market)
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(10_000, 4_000, 2_000, payee=payee)
    await market.accept(escrow)
    release = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[1].id,
        amount_minor=1_000,
    )
    await market.payer.escrows.ReleaseMilestone(release)
    await market.settle()

    answer = await market.payer.escrows.CancelEscrow(cancel(escrow))

    assert states(answer.escrow) == ["RELEASED", "RELEASED", "REFUNDING"]
    assert answer.refunded.amount == usd(3_000 + 150 + 2_000 + 100)
    assert len(answer.refunded.refund_ids) == 1  # one payment has paid for both
    await market.settle()
    assert states(await market.read(escrow)) == ["RELEASED", "RELEASED", "REFUNDED"]
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED


async def test_only_what_is_named_is_canceled(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.funded_escrow(10_000, 4_000)

    answer = await market.payer.escrows.CancelEscrow(cancel(escrow, 2))

    assert states(answer.escrow) == ["FUNDED", "REFUNDING"]
    assert answer.refunded.amount == usd(4_200)
    async with market.refuses("WRONG_STATE"):
        await market.payer.escrows.CancelEscrow(cancel(escrow, 2))


async def test_what_is_frozen_is_not_canceled(market: Marketplace) -> None:
    escrow = await market.funded_escrow(10_000, 4_000)
    freeze_id = await freeze(market, escrow, 1_000)

    async with market.refuses("AMOUNT_FROZEN"):
        await market.payer.escrows.CancelEscrow(cancel(escrow))
    await lift(market, escrow, freeze_id)
    answer = await market.payer.escrows.CancelEscrow(cancel(escrow))
    assert answer.refunded.amount == usd(14_700)


# --- by agreement


async def test_both_together_cancel_what_neither_the_payer_could(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    proposal = await payer_asks(market, escrow)
    shown = await market.read(escrow)
    assert [each.id for each in shown.proposals] == [proposal.id]
    until = deadline_of(shown, ANSWER)
    assert (until.proposal_id, until.milestone_id) == (proposal.id, "")
    assert moment(until.due_time) == moment(proposal.create_time) + 5 * DAY

    async with market.refuses("PARTY_NOT_ALLOWED") as refusal:
        await market.payer.agreements.ApproveCancellation(answer_to(proposal, escrow))
    assert refusal.metadata["allowed"] == "operator, payee"
    answer = await market.payee.agreements.ApproveCancellation(answer_to(proposal, escrow))

    assert answer.proposal.state == pb.PROPOSAL_STATE_APPROVED
    assert states(answer.escrow) == ["REFUNDING"]
    assert (answer.refunded.amount, kinds(answer.escrow)) == (usd(10_500), ["HOLD_LIMIT"])
    assert dict(await market.books(escrow))["refunded_from_held"] == BACK
    async with market.refuses("WRONG_STATE"):
        await market.payee.agreements.ApproveCancellation(answer_to(proposal, escrow))


async def test_a_no_leaves_everything_as_it_is(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    proposal = await payer_asks(market, escrow)

    declined = await market.payee.agreements.DeclineCancellation(refusal_of(proposal, escrow))

    assert declined.proposal.state == pb.PROPOSAL_STATE_DECLINED
    assert states(declined.escrow) == ["DELIVERED"]
    assert (kinds(declined.escrow), list(declined.escrow.proposals)) == (
        ["HOLD_LIMIT", "INSPECTION"],
        [],
    )
    again = await payer_asks(market, escrow)
    taken_back = await market.payer.agreements.DeclineCancellation(refusal_of(again, escrow))
    assert taken_back.proposal.state == pb.PROPOSAL_STATE_WITHDRAWN


async def test_the_same_is_not_asked_twice_at_a_time(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    await payer_asks(market, escrow)

    async with market.refuses("PROPOSAL_OPEN"):
        await market.payee.agreements.RequestCancellation(cancellation(escrow))


async def test_what_is_asked_is_over_when_the_escrow_moves_on(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    proposal = await payer_asks(market, escrow)

    accepted = await market.accept(escrow)

    assert list(accepted.proposals) == []
    assert kinds(accepted) == ["HOLD_LIMIT"]
    last = (await market.timeline(escrow))[-1]
    assert (proposal.id, "LAPSED") in {(t.subject, t.to) for t in last.transitions}


@pytest.mark.parametrize("unanswered", Unanswered)
async def test_silence_is_what_the_policy_says(market: Marketplace, unanswered: Unanswered) -> None:
    await stocked(market)
    periods = Periods(answer_hours=2, inspection_hours=100)
    policy = Policy({"USD": rules()}, periods=periods, unanswered_cancellation=unanswered)
    await apply(market, policy)
    escrow = await market.delivered_escrow(10_000)
    await payer_asks(market, escrow)
    later = Later(market)

    later.ahead = timedelta(hours=2) - 5 * SECOND
    assert await later.deadlines.run_once() == 0
    later.ahead = timedelta(hours=2) + SECOND
    assert await later.deadlines.run_once() == 1
    assert await later.deadlines.run_once() == 0

    ended = await market.read(escrow)
    assert list(ended.proposals) == []
    agreed = unanswered is Unanswered.APPROVED
    assert states(ended) == (["REFUNDING"] if agreed else ["DELIVERED"])
    assert "ANSWER" not in kinds(ended)
    told = (await market.timeline(escrow))[-1]
    assert (told.operation, told.actor) == ("end_unanswered", "timer")


async def test_silence_approves_nothing_that_was_paid_for_since(market: Marketplace) -> None:
    await stocked(market)
    approved = Unanswered.APPROVED
    periods = Periods(answer_hours=2, inspection_hours=100)
    policy = Policy({"USD": rules()}, periods=periods, unanswered_cancellation=approved)
    await apply(market, policy)
    escrow = await market.new_escrow(10_000)
    await payer_asks(market, escrow)
    await market.pay(await market.fund(escrow))
    await market.settle()
    await market.deliver(escrow)
    later = Later(market)

    later.ahead = timedelta(hours=2) + SECOND
    assert await later.deadlines.run_once() == 1

    ended = await market.read(escrow)
    assert (states(ended), list(ended.proposals)) == (["DELIVERED"], [])
    assert ended.milestones[0].held == usd(10_000)


async def test_a_cancellation_of_what_is_being_paid_ends_the_payment_first(
    market: Marketplace,
) -> None:
    escrow = await market.new_escrow()
    await market.fund(escrow)
    proposal = await payer_asks(market, escrow)

    answer = await market.payee.agreements.ApproveCancellation(answer_to(proposal, escrow))

    assert states(answer.escrow) == ["CANCELED"]
    assert not answer.HasField("refunded")
    (intent,) = await market.sandbox.objects("/v1/payment_intents")
    assert intent["status"] == "canceled"


async def test_so_much_is_asked_and_no_more(market: Marketplace) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(1_000, payer=payer, payee=payee)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    for _ in range(50):
        proposal = await payer_asks(market, escrow)
        await market.payer.agreements.DeclineCancellation(refusal_of(proposal, escrow))

    async with market.refuses("PROPOSALS_EXHAUSTED"):
        await payer_asks(market, escrow)
    theirs = await market.payee.agreements.RequestCancellation(cancellation(escrow))
    assert theirs.proposal.state == pb.PROPOSAL_STATE_OPEN  # the other party is not shut out
