"""Time that is too long: what nobody pays for expires, what nobody looks at is released, a due date
passes, and parties give each other more time.

Not in every seed. Here the time of the deadlines passes apart from all other time: days of it while
calls to Stripe are under way, whose keys Stripe must not forget meanwhile. Due dates are a few
seconds away, and pass by themselves.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import asyncpg
from google.protobuf.timestamp_pb2 import Timestamp

from escrow.v1 import agreement_service_pb2 as agreement
from escrow.v1 import escrow_service_pb2 as pb
from tests.chaos.caller import Party
from tests.world import World

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.6  # of the seeds
STEP_SHARE = 0.15  # of the steps of these somebody asks for time, or answers
DUE_SHARE = 0.6  # of the milestones have a due date
SOON_SHARE = 0.7  # of these pass on the same day
EITHER: tuple[Party, ...] = ("payer", "payee")
# Beyond the payer's right to cancel, the inspection, the time to answer, and the time to pay.
STRETCHES_H = (30, 75, 75, 125, 170)
# Not yet beyond an inspection, and then beyond whatever anybody was given.
REST_H = (60, 30 * 24)
# The wide ones are of the policy; dates that parties agreed on pass by themselves. Until when there
# is time for evidence only Stripe says, so that only the warning of it comes sooner.
PASS = (
    """\
UPDATE deadlines SET starts_at = starts_at - $1::interval, act_at = act_at - $1::interval,
    due_at = CASE kind WHEN 'EVIDENCE' THEN due_at ELSE due_at - $1::interval END
WHERE kind <> 'DELIVERY'""",
    "UPDATE approvals SET expires_at = expires_at - $1::interval WHERE state = 'WAITING'",
    "UPDATE milestones SET funded_at = funded_at - $1::interval WHERE funded_at IS NOT NULL",
)
OF_PARTIES = (
    pb.DEADLINE_KIND_PAYMENT,
    pb.DEADLINE_KIND_DELIVERY,
    pb.DEADLINE_KIND_INSPECTION,
)


class Passed(NamedTuple):
    """Time that passed for the deadlines, while the wall's clock went from one to the other."""

    began: datetime
    ended: datetime
    by: timedelta


class Deadlines:
    """Those of one seed, and the time that has passed for them."""

    def __init__(self, world: World, seed: int) -> None:
        self.happen = random.Random(f"{seed} deadlines").random() < SEED_SHARE
        self._world = world
        self._passed: list[Passed] = []

    async def pass_some(self, draw: random.Random) -> None:
        await self._pass(timedelta(hours=draw.choice(STRETCHES_H)))

    async def pass_rest(self) -> AsyncIterator[None]:
        """After the last of it everything that runs is due."""
        for hours in REST_H if self.happen else ():
            await self._pass(timedelta(hours=hours))
            yield

    async def _pass(self, by: timedelta) -> None:
        began = datetime.now(UTC)
        pool = self._world.pool
        while True:
            # A shared commit may lock some of the same rows in another order.
            with suppress(asyncpg.DeadlockDetectedError):
                async with pool.acquire() as connection, connection.transaction():
                    for statement in PASS:
                        await connection.execute(statement, by)
                break
        self._passed.append(Passed(began, datetime.now(UTC), by))

    def at_least(self, moment: datetime) -> datetime:
        """A moment by the deadlines' own clock, not later than it was."""
        return moment + sum((p.by for p in self._passed if p.ended <= moment), timedelta(0))

    def at_most(self, moment: datetime) -> datetime:
        """The same, not earlier than it was."""
        return moment + sum((p.by for p in self._passed if p.began <= moment), timedelta(0))

    def due_time(self, rng: random.Random) -> Timestamp | None:
        """By when a milestone is to be delivered, if anybody said so."""
        if not self.happen or rng.random() >= DUE_SHARE:
            return None
        return in_seconds(rng.uniform(1, 6) if rng.random() < SOON_SHARE else 10**6)

    def choose(self, deal: Deal, rng: random.Random) -> Action | None:
        """What a party does about time, if they do anything."""
        if not self.happen or rng.random() >= STEP_SHARE:
            return None
        actions: list[Action] = []
        if _of_parties(deal):
            actions.append(ask_for_time)
        if extensions(deal.escrow.proposals):
            actions += [extend, extend, extend, decline_extension]
        return rng.choice(actions) if actions else None


def in_seconds(seconds: float) -> Timestamp:
    """So many from now."""
    return _stamp(datetime.now(UTC) + timedelta(seconds=seconds))


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


async def ask_for_time(deal: Deal, rng: random.Random) -> None:
    if deadline := _some_deadline(deal, rng):
        request = agreement.RequestExtensionRequest(
            escrow_id=deal.escrow.id,
            deadline_id=deadline.id,
            due_time=_later(deadline, rng),
            reason="It takes longer.",
        )
        deal.saw(await deal.want("RequestExtension", rng.choice(EITHER), request, rng))


async def extend(deal: Deal, rng: random.Random) -> None:
    """What is asked for, for the most part by the other; now and then another time, or nobody has
    asked: then an operator may, and no party.
    """
    asked = extensions(deal.escrow.proposals)
    deadline = _some_deadline(deal, rng)
    if asked and rng.random() < 0.85:
        proposal = rng.choice(asked)
        deadline_id, due_time = proposal.deadline_id, proposal.due_time
    elif deadline:
        deadline_id, due_time = deadline.id, _later(deadline, rng)
    else:
        return
    request = agreement.ExtendDeadlineRequest(
        escrow_id=deal.escrow.id, deadline_id=deadline_id, due_time=due_time, reason="All right."
    )
    who: Party = "operator" if rng.random() < 0.2 else rng.choice(EITHER)
    deal.saw(await deal.want("ExtendDeadline", who, request, rng))


async def decline_extension(deal: Deal, rng: random.Random) -> None:
    """The other says no, or who asked takes it back."""
    if asked := extensions(deal.escrow.proposals):
        request = agreement.DeclineExtensionRequest(
            escrow_id=deal.escrow.id, proposal_id=rng.choice(asked).id
        )
        deal.saw(await deal.want("DeclineExtension", rng.choice(EITHER), request, rng))


def extensions(proposals: Iterable[pb.Proposal]) -> Sequence[pb.Proposal]:
    return [each for each in proposals if each.kind == pb.PROPOSAL_KIND_EXTENSION]


def _of_parties(deal: Deal) -> Sequence[pb.Deadline]:
    return [each for each in deal.escrow.deadlines if each.kind in OF_PARTIES]


def _some_deadline(deal: Deal, rng: random.Random) -> pb.Deadline | None:
    listed = _of_parties(deal)
    return rng.choice(listed) if listed else None


def _later(deadline: pb.Deadline, rng: random.Random) -> Timestamp:
    """A due date by seconds, what the policy gives by hours."""
    soon = deadline.kind == pb.DEADLINE_KIND_DELIVERY
    by = timedelta(seconds=rng.uniform(1, 8)) if soon else timedelta(hours=rng.randint(1, 100))
    return _stamp(deadline.due_time.ToDatetime(UTC) + by)


Action = Callable[["Deal", random.Random], Awaitable[None]]
