"""What happened by itself was due, took no frozen amount, and is all that was due.

When something was due is worked out from when it began, from what parties gave each other, and from
how much time the seed let pass: by no code of the service.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.caller import Breach, Caller
from tests.chaos.deadlines import Deadlines
from tests.world import World

NEVER = datetime.max.replace(tzinfo=UTC)
SLACK = timedelta(seconds=0.2)  # by which the clocks of the service and of the run may differ
BY_OPERATORS = ("RISK", "LEGAL", "KYC", "ADMIN")
RELEASE, UNPAID = "release_after_inspection", "AWAITING_FUNDS"


class Wait(NamedTuple):
    """For how long at least something waits in a state before the timer acts."""

    state: str
    least: timedelta


WAITS = {
    RELEASE: Wait("DELIVERED", timedelta(hours=72)),
    "expire_escrow": Wait(UNPAID, timedelta(hours=168)),
    "end_unanswered": Wait("OPEN", timedelta(hours=120)),
    "end_undecided": Wait("OPEN", timedelta(hours=120)),
}
CANCELLATION = timedelta(hours=24)

HISTORY = """
SELECT o.escrow_id, o.operation_id, o.kind, o.party, o.key, o.occurred_at, o.transitions
FROM operations AS o WHERE o.escrow_id IS NOT NULL ORDER BY o.escrow_id, o.escrow_version"""
HELD = """
SELECT j.operation_id, split_part(e.account, ':', 3) AS milestone,
    -sum(e.amount_minor)::bigint AS minor
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
WHERE e.account LIKE 'liab:escrow:%:held' GROUP BY 1, 2"""
FREEZES = """
SELECT 'frz_' || replace(freeze_id::text, '-', '') AS id, reason, amount_minor,
    'mst_' || replace(milestone_id::text, '-', '') AS milestone FROM freezes"""
RELEASED = """
SELECT split_part(e.account, ':', 3) AS milestone, sum(e.amount_minor)::bigint AS minor
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
JOIN operations AS o USING (tenant_id, operation_id)
WHERE e.account LIKE 'liab:escrow:%:held' AND o.kind = 'release_after_inspection' GROUP BY 1"""
AUTO_RELEASES = "SELECT count(*) FROM operations WHERE kind = 'release_after_inspection'"
OF_REQUESTS = "SELECT key, occurred_at FROM operations WHERE party <> 'timer'"


async def released_by_timer(pool: asyncpg.Pool) -> Counter[str]:
    """How much of each milestone."""
    return Counter({row["milestone"]: row["minor"] for row in await pool.fetch(RELEASED)})


async def check_timers(world: World, caller: Caller, deadlines: Deadlines) -> list[Breach]:
    """Every breach there is."""
    done_at = {row["key"]: row["occurred_at"] for row in await world.pool.fetch(OF_REQUESTS)}
    history = await world.pool.fetch(HISTORY)
    held: dict[Any, Counter[str]] = defaultdict(Counter)
    for row in await world.pool.fetch(HELD):
        held[row["operation_id"]][row["milestone"]] += row["minor"]
    freezes = {row["id"]: row for row in await world.pool.fetch(FREEZES)}
    given, sooner = _given(caller, done_at, deadlines), _sooner(caller)
    breaches: list[Breach] = []
    for of_escrow in _by_escrow(history).values():
        breaches += _too_early(of_escrow, given, sooner, deadlines)
        breaches += _moved_frozen(of_escrow, held, freezes)
    breaches += await _canceled_alone(caller, done_at)
    if deadlines.happen:
        breaches += await _left_over(caller)
    return breaches


def _by_escrow(history: Sequence[asyncpg.Record]) -> Mapping[Any, list[asyncpg.Record]]:
    found: dict[Any, list[asyncpg.Record]] = defaultdict(list)
    for row in history:
        found[row["escrow_id"]].append(row)
    return found


def _given(
    caller: Caller, done_at: Mapping[str, datetime], deadlines: Deadlines
) -> Mapping[str, datetime]:
    """Until when at least a deadline was extended, by the deadlines' clock, as clients know."""
    found: dict[str, datetime] = {}
    for intention in caller.intentions:
        if intention.method == "ExtendDeadline" and intention.answer:
            request = intention.request
            at = done_at[request.request_id]
            until = request.due_time.ToDatetime(UTC) + (deadlines.at_least(at) - at)
            found[request.deadline_id] = max(until, found.get(request.deadline_id, until))
    return found


def _sooner(caller: Caller) -> Mapping[str, datetime]:
    """By when the dates that a proposal is about have passed: nobody can agree to it any more."""
    found: dict[str, datetime] = {}
    for intention in caller.intentions:
        if intention.method == "ProposeAmendment" and intention.answer:
            asked = [*intention.request.milestones, *intention.request.added]
            dates = [_moment(each.due_time) for each in asked if each.HasField("due_time")]
            if dates:
                found[intention.answer.proposal.id] = min(dates)
    return found


def _too_early(
    history: Sequence[asyncpg.Record],
    given: Mapping[str, datetime],
    sooner: Mapping[str, datetime],
    deadlines: Deadlines,
) -> Iterator[Breach]:
    """What the timer did before it was due, or to what waits for nothing."""
    began: dict[str, datetime] = {}  # when each came into the state that it is in
    for row in history:
        waits, at = WAITS.get(row["kind"]), deadlines.at_most(row["occurred_at"] + SLACK)
        extended = given.get(row["key"].partition(":")[0])
        for subject, before, after in _transitions(row):
            if waits and before == waits.state:
                # One time to pay is of all that is unpaid, also of what is added later.
                created = history[0]["occurred_at"]
                start = created if waits.state == UNPAID else began.get(subject, created)
                least = min(waits.least, sooner.get(subject, NEVER) - start)
                due = [deadlines.at_least(start) + least, *filter(None, [extended])]
                if at < max(due):
                    facts = {**row, "of": subject, "due": max(due), "was": at}
                    yield Breach("the timer acted before it was due", facts)
            if before != after:
                began[subject] = row["occurred_at"]


def _transitions(row: asyncpg.Record) -> list[tuple[str, str, str]]:
    """Of milestones, of what was asked, and of freezes."""
    return [
        t for t in json.loads(row["transitions"]) if t[0][:4] in ("mst_", "prp_", "frz_", "dsp_")
    ]


def _moved_frozen(
    history: Sequence[asyncpg.Record],
    held: Mapping[Any, Counter[str]],
    freezes: Mapping[str, asyncpg.Record],
) -> Iterator[Breach]:
    """After an automatic release all that is held is what operators have frozen, to the cent, and
    not less where something else was frozen as well.
    """
    has: Counter[str] = Counter()
    open_: set[str] = set()
    for row in history:
        has += Counter()  # what has come to nothing
        has.update(held.get(row["operation_id"], {}))
        for subject, _, after in _transitions(row):
            if subject in freezes:
                (open_.add if after == "OPEN" else open_.discard)(subject)
        if row["kind"] != RELEASE:
            continue
        for milestone in {t[0] for t in _transitions(row) if t[0].startswith("mst_")}:
            of_it = [each for each in freezes.values() if each["milestone"] == milestone]
            placed = [each for each in of_it if each["reason"] in BY_OPERATORS]
            frozen = sum(each["amount_minor"] for each in placed if each["id"] in open_)
            exactly = len(placed) == len(of_it)
            if has[milestone] < frozen or (exactly and has[milestone] != frozen):
                facts = {**row, "held": has[milestone], "frozen": frozen}
                yield Breach("the timer released another amount", facts)


async def _canceled_alone(caller: Caller, done_at: Mapping[str, datetime]) -> list[Breach]:
    """A payer cancels what they have paid for within a day, or when its due date was missed."""
    breaches = []
    for intention in caller.intentions:
        if intention.method != "CancelEscrow" or intention.party != "payer" or not intention.answer:
            continue
        at = done_at[intention.request.request_id]
        milestones = {each.id: each for each in intention.answer.escrow.milestones}
        for refund_id in intention.answer.refunded.refund_ids:
            told = await caller.read("GetRefund", refund.GetRefundRequest(refund_id=refund_id))
            for part in told.refund.parts if told else ():
                milestone = milestones[part.milestone_id]
                missed = milestone.HasField("due_time") and _moment(milestone.due_time) <= at
                if not missed and _moment(milestone.fund_time) + CANCELLATION <= at:
                    facts = {"milestone": milestone, "at": at}
                    breaches.append(Breach("a payer canceled alone, too late", facts))
    return breaches


async def _left_over(caller: Caller) -> list[Breach]:
    """After the end nothing waits any more that a deadline was for, but for what is frozen."""
    breaches = []
    for intention in caller.intentions:
        if intention.method != "CreateEscrow" or not intention.answer:
            continue
        request = pb.GetEscrowRequest(escrow_id=intention.answer.escrow.id)
        answer = await caller.read("GetEscrow", request)
        for milestone in _overdue(answer.escrow) if answer else ():
            facts = {"milestone": milestone, "deadlines": list(answer.escrow.deadlines)}
            breaches.append(Breach("what was due has not happened", facts))
    return breaches


def _overdue(escrow: pb.Escrow) -> Iterator[pb.Milestone]:
    """Whose deadline is over, or is not there."""
    now, running = datetime.now(UTC), {}
    for each in escrow.deadlines:
        if not each.refusal and _moment(each.due_time) > now:
            running[each.kind, each.milestone_id] = each
    states = {milestone.state for milestone in escrow.milestones}
    at_work = states & {pb.MILESTONE_STATE_FUNDED, pb.MILESTONE_STATE_DELIVERED}
    for milestone in escrow.milestones:
        unfrozen = milestone.held.amount_minor - milestone.frozen.amount_minor
        inspected = (pb.DEADLINE_KIND_INSPECTION, milestone.id) in running
        if milestone.state == pb.MILESTONE_STATE_DELIVERED and unfrozen and not inspected:
            yield milestone
        unpaid = milestone.state == pb.MILESTONE_STATE_AWAITING_FUNDS and not at_work
        if unpaid and (pb.DEADLINE_KIND_PAYMENT, "") not in running:
            yield milestone


def _moment(stamp: Any) -> datetime:  # noqa: ANN401 - google.protobuf.Timestamp has no good stub
    moment: datetime = stamp.ToDatetime(UTC)
    return moment
