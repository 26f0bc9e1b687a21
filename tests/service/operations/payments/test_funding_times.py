"""When a milestone was funded: by Stripe's own time, whatever comes late or after it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from service.domain.deadlines import WARN_AT_PERCENT
from service.domain.policy import Periods, Policy
from service.migrations import MIGRATIONS, down, load_migrations, up
from service.workers.deadlines import DeadlinesWorker
from tests.service.domain.policies import rules
from tests.service.events.forgeries import of_type
from tests.service.movements.strangers import charge_of, dispute
from tests.service.movements.strangers import lift as lift_freezes
from tests.service.operations.agreements.asking import moment
from tests.service.operations.agreements.test_cancellation import cancel
from tests.service.operations.deadlines.test_act_on_deadline import deadline, kinds, states
from tests.service.operations.marketplace import CARD, Event, Marketplace
from tests.service.operations.operators.stuck import application, suspended
from tests.service.operations.policies.policies import apply
from tests.service.operations.refunds.money import put_back, refund, stocked
from tests.service.operations.refunds.test_failed_refunds import FAILS

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
LATE = 3 * DAY
WINDOW = timedelta(hours=100)
HOLD_LIMIT = pb.DEADLINE_KIND_HOLD_LIMIT
LONG_WINDOW = Policy({"USD": rules()}, periods=Periods(cancellation_hours=100))


def _same(time: datetime) -> datetime:
    return time


def let_it_be(market: Marketplace, time: datetime) -> None:
    """The clock of the service and its workers stands at this time."""
    for runtime in (market.running.runtime, market.work_runtime):
        object.__setattr__(runtime, "clock", partial(_same, time))


async def paid(market: Marketplace, card: str = CARD) -> tuple[pb.Escrow, Event]:
    """Paid at Stripe, which has told nothing yet: the escrow, and the event of the success."""
    await apply(market, LONG_WINDOW)
    escrow = await market.new_escrow(10_000)
    await market.pay(await market.fund(escrow), card)
    (success,) = await of_type(market, "payment_intent.succeeded")
    return escrow, success


async def payment_time(market: Marketplace) -> datetime:
    time: datetime = await market.owner.fetchval("SELECT max(created_at) FROM payments")
    return time


async def funding_time(market: Marketplace, escrow: pb.Escrow) -> datetime:
    return moment((await market.read(escrow)).milestones[0].fund_time)


async def assert_counts_from(market: Marketplace, escrow: pb.Escrow, time: datetime) -> None:
    """The payer's window and Stripe's limit end so long after this time, to the second."""
    assert await funding_time(market, escrow) == time
    limit = deadline(await market.read(escrow), HOLD_LIMIT)
    assert (moment(limit.start_time), moment(limit.due_time)) == (time, time + 730 * DAY)
    await assert_window_ends(market, escrow, time + WINDOW)
    await assert_warned_from(market, escrow, time)


async def assert_window_ends(market: Marketplace, escrow: pb.Escrow, end: datetime) -> None:
    let_it_be(market, end - SECOND)
    await market.payer.escrows.CancelEscrow(cancel(escrow, dry_run=True))
    let_it_be(market, end)
    async with market.refuses("CANCELLATION_BLOCKED"):
        await market.payer.escrows.CancelEscrow(cancel(escrow, dry_run=True))


async def assert_warned_from(market: Marketplace, escrow: pb.Escrow, time: datetime) -> None:
    runtime = market.work_runtime
    for at, warned in ((-SECOND, 0), (SECOND, WARN_AT_PERCENT[0])):
        warning_at = time + 730 * DAY * WARN_AT_PERCENT[0] / 100 + at
        await DeadlinesWorker(replace(runtime, clock=partial(_same, warning_at))).run_once()
        shown = deadline(await market.read(escrow), HOLD_LIMIT)
        assert shown.warned_percent == warned


@pytest.mark.parametrize("first", ["payment_intent.succeeded", "charge.updated"])
async def test_an_outage_lengthens_no_window_and_no_limit(market: Marketplace, first: str) -> None:
    """Stripe could not tell for three days; then it tells in any order, and goes on telling."""
    await stocked(market)
    escrow, success = await paid(market)
    await market.sandbox.advance()
    # Stripe's times are whole seconds, and the sandbox's clock is ahead of ours.
    time = max(datetime.fromtimestamp(success["created"], UTC), await payment_time(market))
    let_it_be(market, time + LATE)

    for event in await of_type(market, first):
        await market.tell(event)
    await market.inbox.run_once()
    assert await funding_time(market, escrow) == time

    await market.settle()  # the other events
    await refund(market, escrow, 1_000)
    await market.settle()
    inquiry = await dispute(market, await charge_of(market, escrow), amount=100, inquiry=True)
    await market.settle()
    assert inquiry["status"] == "warning_needs_response"
    await lift_freezes(market, escrow)
    await assert_counts_from(market, escrow, time)
    funding = "SELECT event_at FROM journals WHERE kind = 'payment_succeeded'"
    assert await market.owner.fetchval(funding) == time


@pytest.mark.parametrize("told", [True, False])
async def test_a_captured_payment_counts_from_its_success(market: Marketplace, told: bool) -> None:
    """Its charge was made when the card was authorized, days before: of the success only its event
    tells, and without one it is when we learned of it.
    """
    escrow = await market.new_escrow(10_000)
    payment = await market.fund(escrow, capture=pb.CAPTURE_STRATEGY_MANUAL)
    await market.pay(payment)
    await market.sandbox.advance(int(DAY.total_seconds()))
    await market.sandbox.stripe(f"/v1/payment_intents/{payment.stripe_payment_intent}/capture")
    (success,) = await of_type(market, "payment_intent.succeeded")
    captured = datetime.fromtimestamp(success["created"], UTC)
    let_it_be(market, captured + LATE)

    for event in await of_type(market, "payment_intent.succeeded" if told else "charge.captured"):
        await market.tell(event)
    await market.inbox.run_once()

    assert await funding_time(market, escrow) == captured + (timedelta() if told else LATE)


async def test_what_was_in_suspense_counts_from_its_payment(market: Marketplace) -> None:
    """Stripe has held it since then, and the payer has paid then."""
    escrow, payment = await suspended(market)
    paid_at = await market.owner.fetchval("SELECT observed_at FROM payments")
    let_it_be(market, paid_at + LATE)

    await market.operator.operators.ApplySuspense(application(payment, escrow.milestones[1]))

    applied = await market.read(escrow)
    assert moment(applied.milestones[1].fund_time) == paid_at
    assert not applied.milestones[0].HasField("fund_time")
    assert moment(deadline(applied, HOLD_LIMIT).start_time) == paid_at


async def test_it_stays_through_changes_and_through_a_refund_that_failed(
    market: Marketplace,
) -> None:
    await stocked(market)
    escrow, _ = await paid(market, FAILS)
    await market.settle()
    time = await funding_time(market, escrow)
    await market.deliver(escrow)
    again = pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="It is too small.",
    )
    changed = (await market.payer.escrows.RequestChanges(again)).escrow
    assert states(changed) == ["FUNDED"]
    assert moment(changed.milestones[0].fund_time) == time

    let_it_be(market, time + DAY)
    made = await refund(market, escrow)
    assert kinds(await market.read(escrow)) == ["HOLD_LIMIT"]
    await market.settle()
    await market.sandbox.advance(120)
    await market.settle()
    await put_back(market, made)

    assert states(await market.read(escrow)) == ["FUNDED"]
    assert await funding_time(market, escrow) == time
    async with market.refuses("CANCELLATION_BLOCKED"):  # what was delivered once has no window
        await market.payer.escrows.CancelEscrow(cancel(escrow, dry_run=True))
    await assert_warned_from(market, escrow, time)


async def test_what_was_funded_before_the_column_gets_the_best_that_is_known(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow()
    waiting = await market.new_escrow()
    happened = await payment_time(market) - LATE
    # As the version before wrote it: when we learned of it, three days after the event.
    await market.owner.execute(
        "UPDATE payments SET created_at = created_at - $1::interval", 2 * LATE
    )
    await market.owner.execute("UPDATE stripe_events SET occurred_at = $1", happened)
    newer = [each for each in load_migrations(MIGRATIONS) if each.version >= "0026"]

    await down(market.owner, load_migrations(MIGRATIONS), len(newer))
    await up(market.owner, load_migrations(MIGRATIONS))

    assert await funding_time(market, escrow) == happened
    limit = deadline(await market.read(escrow), HOLD_LIMIT)
    assert (moment(limit.start_time), moment(limit.due_time)) == (happened, happened + 730 * DAY)
    assert moment(limit.act_time) == happened + 730 * DAY * WARN_AT_PERCENT[0] / 100
    assert not (await market.read(waiting)).milestones[0].HasField("fund_time")


async def test_what_the_version_before_funds_counts_from_when_it_learned_of_it(
    market: Marketplace,
) -> None:
    """While an upgrade is under way it does not know the column."""
    escrow = await market.funded_escrow()
    learned_at = await market.owner.fetchval("SELECT observed_at FROM payments")
    await market.owner.execute("UPDATE milestones SET funded_at = NULL")

    let_it_be(market, learned_at + DAY - SECOND)
    await market.payer.escrows.CancelEscrow(cancel(escrow, dry_run=True))
    let_it_be(market, learned_at + DAY)
    async with market.refuses("CANCELLATION_BLOCKED"):
        await market.payer.escrows.CancelEscrow(cancel(escrow, dry_run=True))
