"""What happens by itself: in time, in order, once, and never to money that is frozen."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import explanation_pb2 as explanation_pb
from tests.service.operations.escrows.split import share, split_escrow
from tests.service.operations.escrows.test_redirect_share import redirect
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, escrow_request, transitions
from tests.service.operations.refunds.money import refund, stocked, transferred

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
K = pb.DeadlineKind


def deadline(escrow: pb.Escrow, kind: K.ValueType) -> pb.Deadline:
    (found,) = [each for each in escrow.deadlines if each.kind == kind]
    return found


def kinds(escrow: pb.Escrow) -> list[str]:
    return sorted(K.Name(each.kind).removeprefix("DEADLINE_KIND_") for each in escrow.deadlines)


def moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


async def pass_to(later: Later, time: datetime) -> None:
    """Moves the workers' clock to this time, to a second or so."""
    later.ahead = time - later.market.work_runtime.clock()


def states(escrow: pb.Escrow) -> list[str]:
    names = (pb.MilestoneState.Name(each.state) for each in escrow.milestones)
    return [name.removeprefix("MILESTONE_STATE_") for name in names]


async def freeze(market: Marketplace, escrow: pb.Escrow, amount_minor: int | None = None) -> str:
    """Freezes so much of its first milestone, or all that is held; the freeze's id."""
    request = pb.PlaceFreezeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=amount_minor,
        freeze_reason=pb.FREEZE_REASON_RISK,
        reason="It looks like fraud.",
    )
    frozen = (await market.operator.escrows.PlaceFreeze(request)).escrow
    return frozen.milestones[0].freezes[0].id


async def lift(market: Marketplace, escrow: pb.Escrow, freeze_id: str) -> None:
    request = pb.LiftFreezeRequest(
        request_id=new_request_id(), escrow_id=escrow.id, freeze_id=freeze_id, reason="It is fine."
    )
    await market.operator.escrows.LiftFreeze(request)


async def operations(market: Marketplace, escrow: pb.Escrow) -> list[tuple[str, str]]:
    return [(each.operation, each.actor) for each in await market.timeline(escrow)]


@pytest.fixture
def later(market: Marketplace) -> Later:
    return Later(market)


# --- nobody pays


async def test_what_nobody_pays_for_expires_after_seven_days(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.new_escrow(1_000, 2_000)
    due = deadline(escrow, K.DEADLINE_KIND_PAYMENT)
    assert moment(due.due_time) == moment(escrow.create_time) + 7 * DAY
    assert kinds(escrow) == ["PAYMENT"]

    await pass_to(later, moment(due.due_time) - 5 * SECOND)
    assert await later.deadlines.run_once() == 0
    await pass_to(later, moment(due.due_time) + SECOND)
    assert await later.deadlines.run_once() == 1
    assert await later.deadlines.run_once() == 0

    escrow = await market.read(escrow)
    assert states(escrow) == ["EXPIRED", "EXPIRED"]
    assert escrow.state == pb.ESCROW_STATE_CANCELED
    assert kinds(escrow) == []
    last = (await market.timeline(escrow))[-1]
    assert (last.operation, last.actor, last.caller) == ("expire_escrow", "timer", "worker")
    assert last.cause == f"{due.id}:0"
    assert ("mst", "AWAITING_FUNDS", "EXPIRED") in transitions(last)


async def test_an_open_payment_is_canceled_at_stripe_before_it_expires(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)

    await pass_to(later, market.work_runtime.clock() + 7 * DAY + SECOND)
    await later.deadlines.run_once()

    assert states(await market.read(escrow)) == ["EXPIRED"]
    (intent,) = await market.sandbox.objects("/v1/payment_intents")
    assert intent["status"] == "canceled"
    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_CANCELED


async def test_a_payment_that_was_faster_is_kept(market: Marketplace, later: Later) -> None:
    escrow = await market.new_escrow(1_000)
    await market.pay(await market.fund(escrow))  # and no event of it has come

    await pass_to(later, market.work_runtime.clock() + 7 * DAY + SECOND)
    await later.deadlines.run_once()

    escrow = await market.read(escrow)
    assert states(escrow) == ["FUNDED"]
    assert escrow.milestones[0].held.amount_minor == 1_000
    assert "PAYMENT" not in kinds(escrow)


async def test_while_stripe_is_away_nothing_expires_and_nothing_spins(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.new_escrow()
    await market.fund(escrow)
    await pass_to(later, market.work_runtime.clock() + 7 * DAY + SECOND)
    await market.sandbox.fail_next("/v1/payment_intents", times=100)

    assert await later.deadlines.run_once() == 1
    assert await later.deadlines.run_once() == 0

    put_off = deadline(await market.read(escrow), K.DEADLINE_KIND_PAYMENT)
    assert put_off.refusal == "STRIPE_UNAVAILABLE"
    assert moment(put_off.act_time) >= later.runtime.clock() + 55 * SECOND
    await market.sandbox.control("faults", verb="DELETE")
    later.ahead += 2 * HOUR
    await later.deadlines.run_once()
    assert states(await market.read(escrow)) == ["EXPIRED"]


async def test_money_that_arrives_after_it_expired_waits_in_suspense(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.new_escrow(10_000)
    payment = await market.fund(escrow)
    await market.pay(payment)
    # Nobody here knows: the payment's row is as if Stripe had said that it is canceled.
    await market.owner.execute("UPDATE payments SET state = 'CANCELED'")
    await pass_to(later, market.work_runtime.clock() + 7 * DAY + SECOND)
    await later.deadlines.run_once()
    assert states(await market.read(escrow)) == ["EXPIRED"]

    await market.settle()

    assert await market.balance(f"liab:suspense:{payment.id}") == 10_500
    assert states(await market.read(escrow)) == ["EXPIRED"]


async def test_milestones_that_are_paid_later_wait_while_another_is_at_work(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.new_escrow(1_000, 2_000)
    await market.pay(await market.fund(escrow, escrow.milestones[0]))
    await market.settle()

    assert kinds(await market.read(escrow)) == ["HOLD_LIMIT"]
    await pass_to(later, market.work_runtime.clock() + 30 * DAY)
    assert await later.deadlines.run_once() == 0

    await market.deliver(escrow)
    await market.accept(escrow)
    escrow = await market.read(escrow)
    assert kinds(escrow) == ["HOLD_LIMIT", "PAYMENT"]
    later.ahead = 7 * DAY + SECOND
    await later.deadlines.run_once()
    assert states(await market.read(escrow)) == ["RELEASING", "EXPIRED"]


# --- the payer is silent


async def test_what_was_delivered_is_released_after_the_inspection_period(
    market: Marketplace, later: Later
) -> None:
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(10_000, payee=payee)
    (milestone,) = escrow.milestones
    due = deadline(escrow, K.DEADLINE_KIND_INSPECTION)
    assert moment(due.due_time) == moment(milestone.deliver_time) + 72 * HOUR
    assert milestone.inspection_end_time == due.due_time
    assert kinds(escrow) == ["HOLD_LIMIT", "INSPECTION"]
    before = len(await market.books())

    await pass_to(later, moment(due.due_time) - 5 * SECOND)
    assert await later.deadlines.run_once() == 0
    await pass_to(later, moment(due.due_time) + SECOND)
    assert await later.deadlines.run_once() == 1

    assert states(await market.read(escrow)) == ["RELEASING"]
    assert kinds(await market.read(escrow)) == ["HOLD_LIMIT"]
    released, requested = (await market.books(escrow))[before:]
    assert released == (
        "released",
        {
            "liab:escrow:m1:held": 10_000,
            "liab:escrow:m1:fee_held": 500,
            "liab:payee:payee:payable": -8_000,
            "rev:service_fee": -2_000,
            "rev:platform_fee": -500,
        },
    )
    assert requested[0] == "transfer_requested"
    assert ("release_after_inspection", "timer") in await operations(market, escrow)


async def test_changes_that_are_asked_for_end_the_inspection(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.delivered_escrow()
    request = pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="The colour is wrong.",
    )
    await market.payer.escrows.RequestChanges(request)
    assert kinds(await market.read(escrow)) == ["HOLD_LIMIT"]

    later.ahead = 4 * DAY
    assert await later.deadlines.run_once() == 0
    again = await market.deliver(escrow)
    assert (
        deadline(again, K.DEADLINE_KIND_INSPECTION).id
        != deadline(escrow, K.DEADLINE_KIND_INSPECTION).id
    )


async def test_a_frozen_amount_is_never_released_by_itself_and_is_due_again_when_lifted(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.delivered_escrow(10_000)
    freeze_id = await freeze(market, escrow)
    later.ahead = 72 * HOUR + SECOND

    for _ in range(3):
        await later.deadlines.run_once()

    put_off = deadline(await market.read(escrow), K.DEADLINE_KIND_INSPECTION)
    assert put_off.refusal == "AMOUNT_FROZEN"
    assert states(await market.read(escrow)) == ["DELIVERED"]
    assert [kind for kind, _ in await market.books() if kind == "released"] == []
    tries = await market.owner.fetchval("SELECT tries FROM deadlines WHERE kind = 'INSPECTION'")
    assert tries == 1  # it is put off, and does not spin

    await lift(market, escrow, freeze_id)
    assert await later.deadlines.run_once() == 1
    assert states(await market.read(escrow)) == ["RELEASING"]


async def test_what_is_not_frozen_is_released_and_the_rest_when_it_is_lifted(
    market: Marketplace, later: Later
) -> None:
    escrow = await market.delivered_escrow(10_000)
    freeze_id = await freeze(market, escrow, 4_000)
    later.ahead = 72 * HOUR + SECOND

    assert await later.deadlines.run_once() == 1
    assert await later.deadlines.run_once() == 0

    (milestone,) = (await market.read(escrow)).milestones
    assert (milestone.released.amount_minor, milestone.held.amount_minor) == (6_000, 4_000)
    assert deadline(await market.read(escrow), K.DEADLINE_KIND_INSPECTION).refusal

    await lift(market, escrow, freeze_id)
    later.ahead += 61 * SECOND  # the lease of the first turn is over
    await later.deadlines.run_once()

    (milestone,) = (await market.read(escrow)).milestones
    assert milestone.released.amount_minor == 10_000
    assert states(await market.read(escrow)) == ["RELEASING"]


# --- due dates


async def test_a_missed_due_date_is_told_once_and_moves_nothing(
    market: Marketplace, later: Later
) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(10_000, payer=payer, payee=payee)
    date = market.work_runtime.clock() + 2 * DAY
    request.milestones[0].due_time.FromDatetime(date)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow
    await market.pay(await market.fund(escrow))
    await market.settle()
    funded = await market.read(escrow)
    assert kinds(funded) == ["DELIVERY", "HOLD_LIMIT"]
    assert funded.milestones[0].waiting_for == "the payee to deliver"

    await pass_to(later, date - 5 * SECOND)
    assert await later.deadlines.run_once() == 0
    await pass_to(later, date + SECOND)
    assert await later.deadlines.run_once() == 1
    assert await later.deadlines.run_once() == 0

    missed = await market.read(escrow)
    assert states(missed) == ["FUNDED"]
    assert kinds(missed) == ["HOLD_LIMIT"]
    late = f"the payee to deliver: it was due {date:%Y-%m-%d %H:%M:%S} UTC, and is late"
    assert missed.milestones[0].waiting_for == late
    explain = explanation_pb.ExplainEscrowRequest(escrow_id=escrow.id)
    told = await market.operator.escrows.ExplainEscrow(explain)
    assert [each.description for each in told.blockers] == [late]
    explain.as_of_time.FromDatetime(market.work_runtime.clock())  # which is before the due date
    told = await market.operator.escrows.ExplainEscrow(explain)
    assert [each.description for each in told.blockers] == ["the payee to deliver"]
    last = (await market.timeline(escrow))[-1]
    assert (last.operation, last.actor) == ("miss_delivery", "timer")
    assert "was not delivered by its due date" in last.note


# --- Stripe's limit


async def test_of_several_payees_the_shortest_limit_counts(market: Marketplace) -> None:
    lead = await market.new_payee(active=False)
    other = await market.new_payee(active=False, country="TH")

    escrow = await split_escrow(market, [share(lead), share(other, of=100)], delivered=False)

    limit = deadline(escrow, K.DEADLINE_KIND_HOLD_LIMIT)
    assert moment(limit.due_time) - moment(limit.start_time) == timedelta(days=10)


@pytest.mark.parametrize(("country", "days"), [("US", 730), ("DE", 90), ("TH", 10)])
async def test_people_are_warned_before_stripe_holds_money_no_longer(
    market: Marketplace, later: Later, country: str, days: int
) -> None:
    payee = await market.new_payee(active=False, country=country)
    escrow = await market.funded_escrow(payee=payee)
    limit = deadline(escrow, K.DEADLINE_KIND_HOLD_LIMIT)
    since, until = moment(limit.start_time), moment(limit.due_time)
    assert until - since == timedelta(days=days)

    shown = limit
    for percent in (75, 90, 100):
        at = since + (until - since) * percent / 100
        await pass_to(later, at - 5 * SECOND)
        assert await later.deadlines.run_once() == 0
        await pass_to(later, at + SECOND)
        assert await later.deadlines.run_once() == 1
        assert await later.deadlines.run_once() == 0
        shown = deadline(await market.read(escrow), K.DEADLINE_KIND_HOLD_LIMIT)
        assert shown.warned_percent == percent

    assert not shown.HasField("act_time")
    notes = [t.note for t in await market.timeline(escrow) if t.operation == "warn_of_hold_limit"]
    assert [note.split(": ")[1].split(" ")[0] for note in notes] == ["75", "90", "100"]
    assert states(await market.read(escrow)) == ["FUNDED"]  # money moves by people only


async def test_a_release_that_waits_for_its_payee_is_warned_of_until_it_is_sent(
    market: Marketplace, later: Later
) -> None:
    payee = await market.new_payee(active=False, country="DE")
    escrow = await market.delivered_escrow(payee=payee)
    released = await market.accept(escrow)
    assert (states(released), kinds(released)) == (["RELEASING"], ["HOLD_LIMIT"])
    limit = deadline(released, K.DEADLINE_KIND_HOLD_LIMIT)
    assert limit.start_time == released.milestones[0].fund_time

    await pass_to(later, moment(limit.start_time) + timedelta(days=68))
    assert await later.deadlines.run_once() == 1

    warned = await market.read(escrow)
    assert deadline(warned, K.DEADLINE_KIND_HOLD_LIMIT).warned_percent == 75
    await market.onboard(payee)
    paid = await market.read(escrow)
    assert (states(paid), kinds(paid)) == (["RELEASED"], [])


async def test_what_the_payee_had_is_held_no_more(market: Marketplace) -> None:
    """A refund of it begins no limit, which would have ended long ago."""
    await stocked(market)
    escrow = await transferred(market)
    await market.owner.execute("UPDATE milestones SET funded_at = now() - interval '800 days'")
    await refund(market, escrow)

    refunding = await market.read(escrow)
    assert (states(refunding), kinds(refunding)) == (["REFUNDING"], [])


async def test_the_limit_is_that_of_who_gets_it_now(market: Marketplace) -> None:
    ann, other = await market.new_payee(active=False), await market.new_payee(country="TH")
    escrow = await market.funded_escrow(payee=ann)
    await redirect(market, escrow, ann, other)
    given = await market.read(escrow)
    limit = deadline(given, K.DEADLINE_KIND_HOLD_LIMIT)
    assert moment(limit.due_time) - moment(limit.start_time) == timedelta(days=10)
    assert moment(limit.act_time) - moment(limit.start_time) == timedelta(days=7.5)


# --- after an outage


async def _many(market: Marketplace, number: int) -> Sequence[pb.Escrow]:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    return [await market.new_escrow(1_000, 2_000, payer=payer, payee=payee) for _ in range(number)]


async def test_an_outage_over_fifty_deadlines_is_caught_up_in_order_and_nothing_twice(
    market: Marketplace, later: Later
) -> None:
    escrows = await _many(market, 50)
    later.ahead = 30 * DAY
    other = Later(market)  # a second worker, at the same time
    other.ahead = later.ahead

    done = 0
    while turn := sum(await asyncio.gather(later.deadlines.run_once(), other.deadlines.run_once())):
        done += turn

    assert done == 50
    acted = await market.owner.fetch(
        "SELECT escrow_id, count(*) AS times FROM operations WHERE kind = 'expire_escrow'"
        " GROUP BY escrow_id"
    )
    assert len(acted) == 50
    assert {row["times"] for row in acted} == {1}
    assert all([states(await market.read(each)) == ["EXPIRED", "EXPIRED"] for each in escrows[:3]])
    # Two workers take sixteen each at a time, and none before those that were due earlier.
    order = await market.owner.fetch(
        "SELECT e.created_at FROM operations AS o JOIN escrows AS e USING (tenant_id, escrow_id)"
        " WHERE o.kind = 'expire_escrow' ORDER BY o.operation_id"
    )
    created = [row["created_at"] for row in order]
    for place, at in enumerate(sorted(created)):
        assert abs(created.index(at) - place) < 32


async def test_of_one_escrow_the_earlier_comes_first(market: Marketplace, later: Later) -> None:
    escrow = await market.delivered_escrow()
    later.ahead = 800 * DAY  # also the warnings of Stripe's limit

    while await later.deadlines.run_once():
        pass

    told = [name for name, actor in await operations(market, escrow) if actor == "timer"]
    assert told[0] == "release_after_inspection"
    assert {*told[1:]} == {"warn_of_hold_limit"}


async def test_a_deadline_that_cannot_be_acted_on_holds_up_no_other(
    market: Marketplace, later: Later
) -> None:
    broken, whole = await _many(market, 2)
    await market.owner.execute(
        "UPDATE deadlines SET due_at = due_at - interval '1 day', act_at = act_at - interval"
        " '1 day' WHERE escrow_id = $1::text::uuid",
        broken.id[4:],
    )
    await market.owner.execute(
        "UPDATE milestones SET state = 'NONSENSE' WHERE escrow_id = $1::text::uuid",
        broken.id[4:],
    )
    later.ahead = 8 * DAY

    assert await later.deadlines.run_once() == 2
    assert await later.deadlines.run_once() == 0

    assert states(await market.read(whole)) == ["EXPIRED", "EXPIRED"]
    refusal = "SELECT refusal FROM deadlines WHERE escrow_id = $1::text::uuid"
    assert await market.owner.fetchval(refusal, broken.id[4:]) == "INTERNAL"
    await market.owner.execute("UPDATE milestones SET state = 'EXPIRED' WHERE state = 'NONSENSE'")
    await market.owner.execute("DELETE FROM deadlines")
    await market.owner.execute("UPDATE escrows SET state = 'CANCELED'")
