"""Due dates that are moved, and how long an amendment waits for an answer."""

from dataclasses import replace
from datetime import timedelta

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from service.domain.policy import Favorable, Periods, Policy
from tests.service.domain.policies import rules
from tests.service.operations.agreements.amending import (
    added,
    agreed,
    amended,
    amendment,
    asked,
    no,
    yes,
)
from tests.service.operations.agreements.asking import agreed as extended
from tests.service.operations.agreements.asking import deadline_of, extension, moment
from tests.service.operations.agreements.test_cancellation import cancel, due_ago, paid_ago
from tests.service.operations.deadlines.test_act_on_deadline import kinds, operations, states
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, escrow_request
from tests.service.operations.policies.catalogue import harmless
from tests.service.operations.policies.policies import apply

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
ANSWER, DELIVERY = pb.DEADLINE_KIND_ANSWER, pb.DEADLINE_KIND_DELIVERY


async def dated_escrow(market: Marketplace, *, funded: bool = True) -> pb.Escrow:
    """To be delivered within two days."""
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(10_000, payer=payer, payee=payee)
    request.milestones[0].due_time.FromDatetime(market.work_runtime.clock() + 2 * DAY)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    if funded:
        await market.pay(await market.fund(escrow))
        await market.settle()
    return await market.read(escrow)


@pytest.mark.parametrize(
    ("asker", "by"),
    [("payer", DAY), ("payer", -DAY), ("payee", DAY), ("payee", -DAY), ("operator", DAY)],
)
async def test_a_date_is_moved_and_its_deadline_with_it(
    market: Marketplace, asker: str, by: timedelta
) -> None:
    escrow = await dated_escrow(market)
    before = moment(escrow.milestones[0].due_time)
    change = amended(escrow, due=before + by)

    proposal = await asked(market.client(asker), escrow, change)
    if asker != "operator":
        answers = market.payee if asker == "payer" else market.payer
        await answers.agreements.AcceptAmendment(yes(proposal, escrow))

    moved = await market.read(escrow)
    assert moment(moved.milestones[0].due_time) == before + by
    assert moment(deadline_of(moved, DELIVERY).due_time) == before + by
    later = Later(market)
    later.ahead = before + by - market.work_runtime.clock() - 5 * SECOND
    assert await later.deadlines.run_once() == 0
    later.ahead += 6 * SECOND
    assert await later.deadlines.run_once() == 1
    assert (await operations(market, escrow))[-1] == ("miss_delivery", "timer")


async def test_no_date_comes_nearer_without_the_payee(market: Marketplace) -> None:
    """Else an operator and the payer together cancel for a date that the payee never agreed to."""
    escrow = await dated_escrow(market)
    sooner = amended(escrow, due=moment(escrow.milestones[0].due_time) - DAY)
    operator = market.client("operator")

    async with market.refuses("AMENDMENT_BLOCKED") as refusal:
        await operator.agreements.ProposeAmendment(amendment(escrow, sooner))
    assert "and has to agree" in refusal.blockers[escrow.milestones[0].id]
    by_payer = await asked(market.payer, escrow, sooner)
    async with market.refuses("AMENDMENT_BLOCKED"):
        await operator.agreements.AcceptAmendment(yes(by_payer, escrow))
    await market.payer.agreements.DeclineAmendment(no(by_payer, escrow))
    by_payee = await asked(market.payee, escrow, sooner)
    await operator.agreements.AcceptAmendment(yes(by_payee, escrow))

    assert (await market.read(escrow)).milestones[0].due_time == sooner.due_time


@pytest.mark.parametrize("asker", ["operator", "payer"])
async def test_no_date_begins_to_count_without_the_payee(market: Marketplace, asker: str) -> None:
    """What was paid for after its date has none that counts: a later one is no gift."""
    await apply(market, replace(harmless(), favorable_amendment=Favorable.APPROVED))
    escrow = await dated_escrow(market)
    await due_ago(market, escrow, 5 * DAY)
    await paid_ago(market, escrow, 3 * DAY)
    later = amended(escrow, due=market.work_runtime.clock() + DAY)

    if asker == "operator":
        async with market.refuses("AMENDMENT_BLOCKED"):
            await market.client("operator").agreements.ProposeAmendment(amendment(escrow, later))
    else:
        waiting = await asked(market.payer, escrow, later)
        assert waiting.state == pb.PROPOSAL_STATE_OPEN  # the payee answers
    assert (await market.read(escrow)).milestones[0].due_time != later.due_time


async def test_a_date_that_was_missed_is_agreed_on_anew(market: Marketplace) -> None:
    """An extension is of a deadline that runs; this one has passed, and what was asked lapses."""
    escrow = await dated_escrow(market)
    await market.payee.agreements.RequestExtension(extension(escrow, DELIVERY, DAY))
    later = Later(market)
    later.ahead = 2 * DAY
    assert await later.deadlines.run_once() == 1
    missed = await market.read(escrow)
    assert (kinds(missed), list(missed.proposals)) == (["HOLD_LIMIT"], [])
    new = market.work_runtime.clock() + 3 * DAY

    moved = await agreed(market, escrow, amended(escrow, due=new))

    assert kinds(moved) == ["DELIVERY", "HOLD_LIMIT"]
    assert moment(deadline_of(moved, DELIVERY).due_time) == new
    later.ahead = 3 * DAY - 5 * SECOND
    assert await later.deadlines.run_once() == 0
    later.ahead = 3 * DAY + SECOND
    assert await later.deadlines.run_once() == 1


async def test_a_new_date_takes_the_payers_right_to_cancel_with_it(market: Marketplace) -> None:
    escrow = await dated_escrow(market)
    await paid_ago(market, escrow, 30 * DAY)
    await due_ago(market, escrow, SECOND)
    await market.payer.escrows.CancelEscrow(cancel(escrow, dry_run=True))

    await agreed(market, escrow, amended(escrow, due=market.work_runtime.clock() + DAY))

    async with market.refuses("CANCELLATION_BLOCKED"):
        await market.payer.escrows.CancelEscrow(cancel(escrow))


async def test_what_has_no_date_gets_one(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    due = market.work_runtime.clock() + DAY
    dated = await agreed(market, escrow, amended(escrow, due=due))
    assert kinds(dated) == ["PAYMENT"]  # it runs when it is paid for

    await market.pay(await market.fund(escrow))
    await market.settle()

    paid = await market.read(escrow)
    assert kinds(paid) == ["DELIVERY", "HOLD_LIMIT"]
    assert moment(deadline_of(paid, DELIVERY).due_time) == due


async def test_an_extension_of_the_old_date_lapses(market: Marketplace) -> None:
    escrow = await dated_escrow(market)
    longer = extension(escrow, DELIVERY, DAY)
    await market.payee.agreements.RequestExtension(longer)
    new = moment(escrow.milestones[0].due_time) + 2 * DAY

    moved = await agreed(market, escrow, amended(escrow, due=new))

    assert (list(moved.proposals), kinds(moved)) == ([], ["DELIVERY", "HOLD_LIMIT"])
    last = (await market.timeline(escrow))[-1]
    assert sorted(each.to for each in last.transitions) == ["APPROVED", "LAPSED"]


async def test_what_was_extended_meanwhile_is_not_what_was_seen(market: Marketplace) -> None:
    escrow = await dated_escrow(market)
    new = moment(escrow.milestones[0].due_time) + 2 * DAY
    proposal = await asked(market.payee, escrow, amended(escrow, due=new))
    longer = extension(escrow, DELIVERY, DAY)
    await market.payee.agreements.RequestExtension(longer)
    await market.payer.agreements.ExtendDeadline(extended(longer))

    async with market.refuses("AMENDMENT_BLOCKED") as refusal:
        await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))
    assert refusal.blockers == {
        escrow.milestones[0].id: "its due date was changed since this was asked"
    }


async def test_what_is_delivered_and_sent_back_has_the_new_date(market: Marketplace) -> None:
    escrow = await dated_escrow(market)
    escrow = await market.deliver(escrow)
    new = moment(escrow.milestones[0].due_time) + DAY
    moved = await agreed(market, escrow, amended(escrow, due=new))
    assert kinds(moved) == ["HOLD_LIMIT", "INSPECTION"]

    back = pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="In blue, please.",
    )
    again = (await market.payer.escrows.RequestChanges(back)).escrow

    assert moment(deadline_of(again, DELIVERY).due_time) == new


# --- how long it waits


async def test_what_nobody_answers_lapses(market: Marketplace) -> None:
    await apply(market, Policy({"USD": rules()}, periods=Periods(answer_hours=2)))
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payee, escrow, amended(escrow, price=8_000))
    later = Later(market)

    later.ahead = 2 * HOUR - 5 * SECOND
    assert await later.deadlines.run_once() == 0
    later.ahead = 2 * HOUR + SECOND
    assert await later.deadlines.run_once() == 1

    assert (kinds(await market.read(escrow)), states(escrow)) == (["PAYMENT"], ["AWAITING_FUNDS"])
    assert (await operations(market, escrow))[-1] == ("end_unanswered", "timer")
    async with market.refuses("WRONG_STATE"):
        await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))


@pytest.mark.parametrize("of", ["milestone", "added"])
async def test_it_waits_no_longer_than_until_its_own_date(market: Marketplace, of: str) -> None:
    escrow = await market.new_escrow(10_000)
    due = market.work_runtime.clock() + HOUR
    change = amended(escrow, due=due) if of == "milestone" else added(1_000, due=due)
    proposal = await asked(market.payee, escrow, change)
    shown = await market.read(escrow)
    assert moment(deadline_of(shown, ANSWER).due_time) == due

    await market.owner.execute(
        "UPDATE proposals SET changes = replace(changes::text, $1, $2)::jsonb",
        due.isoformat(),
        (market.work_runtime.clock() - SECOND).isoformat(),
    )
    async with market.refuses("AMENDMENT_BLOCKED") as refusal:
        await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))
    assert {*refusal.blockers.values()} == {"its new due date has passed"}
    later = Later(market)
    later.ahead = HOUR - 5 * SECOND
    assert await later.deadlines.run_once() == 0
    later.ahead = HOUR + SECOND
    assert await later.deadlines.run_once() == 1
    assert list((await market.read(escrow)).proposals) == []


async def test_it_lapses_with_the_last_that_it_could_change(market: Marketplace) -> None:
    escrow = await market.funded_escrow(10_000, 4_000)
    due = market.work_runtime.clock() + DAY
    proposal = await asked(market.payee, escrow, amended(escrow, 2, due=due), added(1_000))
    await market.deliver(escrow)

    assert len((await market.accept(escrow)).proposals) == 1  # it is of the other milestone
    canceled = (await market.payee.escrows.CancelEscrow(cancel(escrow, 2))).escrow

    assert list(canceled.proposals) == []
    async with market.refuses("WRONG_STATE"):
        await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))


async def test_after_its_end_nothing_is_amended(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    await asked(market.payee, escrow, added(1_000))
    canceled = (await market.payer.escrows.CancelEscrow(cancel(escrow))).escrow
    assert list(canceled.proposals) == []

    for client in (market.payer, market.payee, market.operator):
        async with market.refuses("AMENDMENT_BLOCKED") as refusal:
            await asked(client, escrow, added(1_000))
        assert refusal.blockers == {escrow.id: "it is CANCELED: create another escrow"}
