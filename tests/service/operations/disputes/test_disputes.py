"""Disputes between the parties: only what is disputed is frozen, and each end is booked by line."""

import asyncio
from datetime import timedelta

import grpc
import pytest

from escrow.errors import details_of
from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from service.domain.policy import Periods, Policy, UnansweredDispute, UndecidedDispute
from tests.service.domain.policies import rules
from tests.service.operations.deadlines.test_act_on_deadline import (
    deadline,
    moment,
    pass_to,
    states,
)
from tests.service.operations.disputes.disputing import (
    accept,
    answer,
    contested,
    listed,
    mediate,
    named,
    offer,
    opened,
    opening,
    read,
    resolve,
    state,
    withdraw,
)
from tests.service.operations.escrows.split import in_order, plain_books, share, split_escrow
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, escrow_request, usd
from tests.service.operations.policies.policies import apply
from tests.service.operations.refunds.money import stocked

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
K = escrow_pb.DeadlineKind
BACK_4000 = (
    "refunded_from_held",
    {
        "liab:escrow:m1:held": 4_000,
        "liab:escrow:m1:fee_held": 200,
        "liab:refunds_in_flight": -4_200,
    },
)
RELEASED_6000 = (
    "released",
    {
        "liab:escrow:m1:held": 6_000,
        "liab:escrow:m1:fee_held": 300,
        "liab:payee:payable": -4_800,
        "rev:service_fee": -1_200,
        "rev:platform_fee": -300,
    },
)


def money(escrow: escrow_pb.Escrow) -> tuple[int, ...]:
    """What is held of its first milestone, frozen, released and refunded."""
    milestone = escrow.milestones[0]
    shown = (milestone.held, milestone.frozen, milestone.released, milestone.refunded)
    return tuple(each.amount_minor for each in shown)


async def test_only_what_is_disputed_is_frozen_and_the_rest_moves(market: Marketplace) -> None:
    escrow = await market.delivered_escrow(10_000)
    before = await market.books(escrow)

    dispute = await opened(market.payer, escrow, amount_minor=4_000)

    assert (state(dispute), dispute.opened_by) == ("OPEN", "payer")
    assert (dispute.amount, dispute.claim) == (usd(4_000), usd(4_000))
    assert dispute.deadline.kind == K.DEADLINE_KIND_DISPUTE
    assert await market.books(escrow) == before
    frozen = await market.read(escrow)
    assert money(frozen) == (10_000, 4_000, 0, 0)
    (freeze,) = frozen.milestones[0].freezes
    assert (freeze.reason, freeze.source) == (escrow_pb.FREEZE_REASON_DISPUTE, dispute.id)
    async with market.refuses("AMOUNT_DISPUTED"):
        await opened(market.payee, escrow, amount_minor=6_001)
    async with market.refuses("FREEZE_OF_DISPUTE"):
        await market.operator.escrows.LiftFreeze(
            escrow_pb.LiftFreezeRequest(
                request_id=named(dispute)["request_id"],
                escrow_id=escrow.id,
                freeze_id=freeze.id,
                reason="It is fine.",
            )
        )
    assert money(await market.accept(escrow)) == (4_000, 4_000, 6_000, 0)
    async with market.refuses("AMOUNT_FROZEN") as refused:
        await market.accept(escrow)
    assert refused.rules == {dispute.id: "DISPUTE"}
    assert "the payee to answer the dispute" in refused.blockers[dispute.id]
    assert refused.message == (
        "All 40.00 USD that are held are frozen. The parties' dispute has to end first: they agree"
        " (RespondToDispute, AcceptDisputeSplit), or an operator decides (ResolveDispute)."
    )
    assert await listed(market, f'escrow_id = "{escrow.id}" AND open = true') == [dispute.id]
    due = dispute.deadline.due_time.ToJsonString()
    assert await listed(market, f'due_time <= "{due}" AND state = OPEN') == [dispute.id]
    assert await listed(market, f'due_time < "{due}"') == []
    assert await listed(market, f'payee_id = "{escrow.payee_id}"') == [dispute.id]
    assert await listed(market, f'payer_id = "{escrow.payer_id}" AND opened_by = payee') == []


async def test_an_operator_splits_it_and_the_ledger_has_both_lines(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000, payee=await market.new_payee())
    dispute = await contested(market, escrow)
    before = len(await market.books())

    shown = await resolve(market, dispute, 4_000, validate_only=True)
    assert len(await market.books()) == before
    assert state(await read(market, dispute)) == "NEGOTIATION"
    done = await resolve(market, dispute, 4_000)

    assert shown.refund.amount == done.refund.amount == usd(4_200)
    assert state(done.dispute) == "RESOLVED"
    assert done.dispute.outcome.to_payer == usd(4_000)
    assert [each.amount_minor for each in done.dispute.outcome.payees] == [6_000]
    assert done.dispute.outcome.reason == "The photographs show it."
    assert money(done.escrow) == (0, 0, 6_000, 4_000)
    booked = (await market.books(escrow))[before:]
    assert [kind for kind, _ in booked] == ["released", "transfer_requested", "refunded_from_held"]
    assert booked[2] == BACK_4000
    assert dict(booked)["released"]["liab:escrow:m1:held"] == 6_000
    assert dict(booked)["released"]["rev:platform_fee"] == -300
    await market.settle()
    assert states(await market.read(escrow)) == ["RELEASED"]
    async with market.refuses("DISPUTE_OVER"):
        await resolve(market, dispute, 4_000)
    async with market.refuses("DISPUTE_OVER"):
        await withdraw(market.payer, dispute)


async def test_all_goes_back_or_all_is_released(market: Marketplace) -> None:
    await stocked(market)
    payee = await market.new_payee()
    back = await market.funded_escrow(10_000, payee=payee)
    paid = await market.delivered_escrow(10_000, payee=payee)

    conceded = await answer(
        market.payee, await opened(market.payer, back), pb.DISPUTE_ANSWER_ACCEPT
    )
    won = await opened(market.payee, paid, dispute_reason=pb.DISPUTE_REASON_NOT_ACCEPTED)
    assert won.claim == usd(0)
    agreed = await answer(market.payer, won, pb.DISPUTE_ANSWER_ACCEPT)

    assert (state(conceded), state(agreed)) == ("RESOLVED", "RESOLVED")
    await market.settle()
    assert states(await market.read(back)) == ["REFUNDED"]
    assert states(await market.read(paid)) == ["RELEASED"]


@pytest.mark.parametrize("given", [False, True])
async def test_three_payees_get_their_parts_of_a_split(market: Marketplace, given: bool) -> None:
    await stocked(market)
    payees = [await market.new_payee() for _ in range(3)]
    shares = [share(payees[0], basis=5_000), share(payees[1], basis=3_000), share(payees[2])]
    escrow = await split_escrow(market, shares, 10_000)
    dispute = await contested(market, escrow, amount_minor=9_001)
    before = len(await market.books())
    wanted = [4_000, 1, 2_000]
    payees_get = [
        pb.DisputeShare(payee_id=payee.id, amount_minor=minor)
        for payee, minor in zip(payees, wanted, strict=True)
    ]
    if given:
        async with market.refuses("SPLIT_DOES_NOT_ADD_UP"):
            await resolve(market, dispute, 3_001, payees=payees_get)
        payees_get[0].amount_minor = 5_001
        async with market.refuses("SHARE_ABOVE_HELD") as above:
            await resolve(market, dispute, 1_999, payees=payees_get)
        assert above.message.startswith(
            f"50.01 USD were to go to {payees[0].id} for whom 50.00 USD are held"
        )
        payees_get[0].amount_minor = 4_000

    done = await resolve(market, dispute, 3_000, payees=payees_get if given else [])

    got = [each.amount_minor for each in done.dispute.outcome.payees]
    assert got == (wanted if given else [3_001, 1_800, 1_200])
    assert money(done.escrow) == (999, 0, 6_001, 3_000)
    booked = (await plain_books(market, escrow, *payees))[before:]
    held = [(k, e["liab:escrow:m1:held"]) for k, e in booked if "liab:escrow:m1:held" in e]
    assert held == [*(("released", minor) for minor in got), ("refunded_from_held", 3_000)]
    assert in_order(booked)
    parts = escrow_pb.Escrow.FromString(done.escrow.SerializeToString()).milestones[0].payees
    assert sum(each.held.amount_minor for each in parts) == 999


async def test_offers_replace_each_other_and_only_the_other_side_accepts(
    market: Marketplace,
) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payer, escrow)
    async with market.refuses("WRONG_STATE"):
        await offer(market.payer, dispute, 5_000)
    for party in (market.payer, market.payee):
        async with market.refuses("WRONG_STATE") as early:
            await mediate(party, dispute)
        assert early.message == (
            f"{dispute.id} is OPEN: first the payee answers it (RespondToDispute)."
        )
        told = {"dispute_id": dispute.id, "state": "OPEN", "event": "mediate"}
        assert early.metadata == told
    async with market.refuses("PARTY_NOT_ALLOWED"):
        await answer(market.payer, dispute, pb.DISPUTE_ANSWER_CONTEST)
    async with market.refuses("PARTY_NOT_ALLOWED"):
        await withdraw(market.payee, dispute)
    await answer(market.payee, dispute, pb.DISPUTE_ANSWER_CONTEST)
    async with market.refuses("NOTHING_OFFERED") as nothing:
        await accept(market.payee, dispute, 1)
    assert "ProposeDisputeSplit" in nothing.message
    async with market.refuses("INVALID_FIELD"):
        await offer(market.payer, dispute, 10_001)
    await offer(market.payer, dispute, 8_000)
    second = await offer(market.payee, dispute, 4_000)
    assert (second.offer.number, second.offer.offered_by) == (2, "payee")

    async with market.refuses("OFFER_REPLACED"):
        await accept(market.payee, dispute, 1)
    async with market.refuses("OFFER_IS_YOURS"):
        await accept(market.payee, dispute, 2)
    assert state(await mediate(market.payee, dispute)) == "MEDIATION"
    async with market.refuses("WRONG_STATE"):
        await mediate(market.payer, dispute)
    until = (await read(market, dispute)).deadline.due_time
    third = await offer(market.payee, dispute, 4_000)
    assert third.deadline.due_time == until
    done = await accept(market.payer, dispute, 3)

    assert state(done) == "RESOLVED"
    assert money(await market.read(escrow)) == (0, 0, 6_000, 4_000)


async def test_a_payee_who_accepts_is_paid_at_once(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.delivered_escrow(10_000, payee=await market.new_payee())
    dispute = await contested(market, escrow)
    await offer(market.payer, dispute, 4_000)

    done = await accept(market.payee, dispute, 1)

    assert state(done) == "RESOLVED"
    await market.settle()
    escrow = await market.read(escrow)
    assert money(escrow) == (0, 0, 6_000, 4_000)
    assert states(escrow) == ["RELEASED"]
    booked = [kind for kind, _ in await market.books()]
    assert booked.count("transfer_confirmed") == booked.count("refund_confirmed") == 1


async def test_a_hundred_disputes_at_once_are_one(market: Marketplace) -> None:
    escrow = await market.delivered_escrow(10_000)

    async def attempt() -> str:
        try:
            return state(await opened(market.payer, escrow))
        except grpc.RpcError as error:
            return details_of(error).reason

    answers = await asyncio.gather(*(attempt() for _ in range(100)))

    assert answers.count("OPEN") == 1
    assert set(answers) <= {"OPEN", "AMOUNT_DISPUTED", "BUSY", "OVERLOADED"}
    assert money(await market.read(escrow)) == (10_000, 10_000, 0, 0)


async def test_the_window_is_the_inspection_period_to_the_second(market: Marketplace) -> None:
    escrow = await market.delivered_escrow(10_000)
    ends_at = moment(deadline(escrow, K.DEADLINE_KIND_INSPECTION).due_time)
    now = market.work_runtime.clock()
    set_due = "UPDATE deadlines SET due_at = $1 WHERE kind = 'INSPECTION'"

    await market.owner.execute(set_due, now + 5 * SECOND)
    dispute = await opened(market.payer, escrow, amount_minor=1_000)
    await market.owner.execute(set_due, now - SECOND)
    async with market.refuses("DISPUTE_WINDOW_CLOSED"):
        await opened(market.payer, escrow)
    unpaid = await market.new_escrow()
    async with market.refuses("DISPUTE_WINDOW_CLOSED"):
        await opened(market.payer, unpaid)
    async with market.refuses("INVALID_FIELD"):
        await market.payer.disputes.OpenDispute(opening(escrow, dispute_reason=0))
    await market.owner.execute(set_due, ends_at)
    async with market.refuses("INVALID_FIELD"):
        await opened(market.payer, escrow, amount_minor=100, to_payer_minor=101)

    ended = (await withdraw(market.payer, dispute)).escrow
    assert money(ended) == (10_000, 0, 0, 0)
    assert moment(deadline(ended, K.DEADLINE_KIND_INSPECTION).due_time) == ends_at
    mine = await opened(market.payee, escrow)
    later = Later(market)
    await pass_to(later, ends_at + HOUR)
    await later.deadlines.run_once()  # what is frozen is put off
    assert deadline(await market.read(escrow), K.DEADLINE_KIND_INSPECTION).refusal
    given = (await withdraw(market.payee, mine)).escrow
    assert moment(deadline(given, K.DEADLINE_KIND_INSPECTION).due_time) >= ends_at
    assert not deadline(given, K.DEADLINE_KIND_INSPECTION).refusal


@pytest.mark.parametrize(
    ("unanswered", "undecided", "ends"),
    [
        (UnansweredDispute.OPENER, UndecidedDispute.PAYER, (0, 0, 7_000, 3_000)),
        (UnansweredDispute.UNDECIDED, UndecidedDispute.PAYER, (0, 0, 0, 10_000)),
        (UnansweredDispute.UNDECIDED, UndecidedDispute.PAYEE, (0, 0, 10_000, 0)),
        (UnansweredDispute.UNDECIDED, UndecidedDispute.HALVES, (0, 0, 5_000, 5_000)),
    ],
)
async def test_when_nobody_acts_the_policy_decides(
    market: Marketplace,
    unanswered: UnansweredDispute,
    undecided: UndecidedDispute,
    ends: tuple[int, ...],
) -> None:
    await stocked(market)
    periods = Periods(answer_hours=2, mediation_hours=5, inspection_hours=1_000)
    policy = Policy(
        {"USD": rules()},
        periods=periods,
        unanswered_dispute=unanswered,
        undecided_dispute=undecided,
    )
    await apply(market, policy)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payer, escrow, to_payer_minor=3_000)
    later = Later(market)

    await pass_to(later, moment(dispute.deadline.due_time) - SECOND)
    assert await later.deadlines.run_once() == 0
    await pass_to(later, moment(dispute.deadline.due_time) + SECOND)
    assert await later.deadlines.run_once() == 1
    if unanswered is UnansweredDispute.UNDECIDED:
        mediated = await read(market, dispute)
        assert state(mediated) == "MEDIATION"
        await pass_to(later, moment(mediated.deadline.due_time) - SECOND)
        assert await later.deadlines.run_once() == 0
        await pass_to(later, moment(mediated.deadline.due_time) + SECOND)
        assert await later.deadlines.run_once() == 1

    assert await later.deadlines.run_once() == 0
    done = await read(market, dispute)
    assert (state(done), done.outcome.to_payer.amount_minor) == ("DEFAULTED", ends[3])
    assert money(await market.read(escrow)) == ends
    told = (await market.timeline(escrow))[-1]
    assert (told.operation, told.actor) == ("end_undecided", "timer")


async def test_silence_pays_no_payee(market: Marketplace) -> None:
    await stocked(market)
    undelivered = await market.funded_escrow(10_000)
    async with market.refuses("DISPUTE_WINDOW_CLOSED"):
        await opened(market.payee, undelivered, amount_minor=1)
    escrow = await market.delivered_escrow(10_000)
    dispute = await opened(market.payee, escrow)
    later = Later(market)

    for expected in ("MEDIATION", "DEFAULTED"):
        await pass_to(later, moment(dispute.deadline.due_time) + SECOND)
        while await later.deadlines.run_once():
            pass
        dispute = await read(market, dispute)
        assert state(dispute) == expected

    assert money(await market.read(escrow)) == (0, 0, 0, 10_000)


async def test_an_outage_over_many_catches_up_once_each(market: Marketplace) -> None:
    await stocked(market)
    payer, payee = await market.new_payer(), await market.new_payee()
    request = escrow_request(*[1_000] * 6, payer=payer, payee=payee)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    await market.pay(await market.fund(escrow))
    await market.settle()
    for milestone in escrow.milestones:
        await opened(market.payer, escrow, milestone_id=milestone.id)
    later = Later(market)
    later.ahead = timedelta(days=6)

    done = 0
    while acted := await later.deadlines.run_once():
        done += acted

    assert done == 6
    assert states(await market.read(escrow)) == ["REFUNDING"] * 6
