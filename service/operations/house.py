"""What operations work with, and the way every one of them goes: load, decide, commit."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from google.protobuf.message import Message

from service.domain.call import Call
from service.domain.errors import AlreadyExists, Busy
from service.domain.unit import UnitOfWork
from service.store.commit import Commits, Overtaken
from service.store.operations import Answered
from service.store.pool import ServicePool
from service.stripe.gateway import StripeGateway

Request = TypeVar("Request", bound=Message)
Answer = TypeVar("Answer", bound=Message)
Result = TypeVar("Result")

MOST_RUNS = 60
LONGEST_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class House:
    """The outside of an operation. ``stripe`` holds one gateway per tenant."""

    pool: ServicePool
    stripe: Mapping[str, StripeGateway]
    clock: Callable[[], datetime]
    commits: Commits = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "commits", Commits(self.pool))

    async def commit(self, unit: UnitOfWork) -> None:
        """Writes the unit, all or nothing; see ``Commits.commit`` for what it raises."""
        await self.commits.commit(unit)

    async def save(self, unit: UnitOfWork, answer: Answer) -> Answer:
        """Commits the unit, with its answer stored for every replay of the same request."""
        unit.response = answer.SerializeToString(deterministic=True)
        await self.commit(unit)
        return answer


def mutation(
    answer_type: type[Answer], *, of: str = ""
) -> Callable[
    [Callable[[House, UnitOfWork, Request], Awaitable[Answer]]],
    Callable[[House, Call, Request], Awaitable[Answer]],
]:
    """Makes an operation of an RPC from its story.

    The story gets a fresh unit of work each time it runs, and is run again while somebody else
    writes first. A request that was answered before is answered with the same bytes. ``of`` names
    the operation when the story is only a part of it.
    """

    def decorate(
        story: Callable[[House, UnitOfWork, Request], Awaitable[Answer]],
    ) -> Callable[[House, Call, Request], Awaitable[Answer]]:
        @functools.wraps(story)
        async def run(house: House, call: Call, request: Request) -> Answer:
            digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
            try:
                return await rerun(
                    house,
                    call,
                    of or story.__name__,
                    lambda unit: story(house, unit, request),
                    request_hash=digest,
                )
            except Answered as answered:
                return answer_type.FromString(answered.response)

        return run

    return decorate


async def rerun(
    house: House,
    call: Call,
    operation: str,
    story: Callable[[UnitOfWork], Awaitable[Result]],
    *,
    request_hash: bytes = b"",
) -> Result:
    """Runs a story until nobody else writes first.

    Raises:
        Answered: the operation was done before.
        Busy: others were faster every time.
    """
    exists = False
    for run in range(MOST_RUNS):
        unit = UnitOfWork(call, operation, request_hash, house.clock())
        try:
            return await story(unit)
        except AlreadyExists:
            # A twin of this very request may have made it after we looked: then it has answered.
            if exists:
                raise
            exists = True
        except Overtaken:
            await asyncio.sleep(random.uniform(0, min(0.002 * 2**run, LONGEST_PAUSE_S)))  # noqa: S311  jitter
    raise Busy
