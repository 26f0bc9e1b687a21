"""What every operation works with, and the way each of them goes: load, decide, commit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from service.answers import stored_form
from service.domain.call import Call
from service.domain.errors import AlreadyExists, Busy
from service.domain.unit import UnitOfWork
from service.files.scanner import Scanner
from service.store.commit import Commits, Overtaken
from service.store.escrows import find_escrow, find_versions, load_escrow
from service.store.policies import Policies
from service.store.pool import ServicePool
from service.store.sequence import last_positions
from service.store.tables import EscrowRecords
from service.store.tails import Tails
from service.stripe.gateway import StripeGateway

if TYPE_CHECKING:  # it imports obstore
    from service.files.bucket import Bucket

Answer = TypeVar("Answer", bound=Message)
Result = TypeVar("Result")

MOST_RUNS = 60
LONGEST_PAUSE_S = 0.1
STREAMS_READ_AT_ONCE = 3
# Who has its turn races with one operation of each other process, and the others wait behind it.
LONGEST_PAUSE_OF_TURN_S = 0.01


@dataclass(frozen=True, slots=True)
class Runtime:
    """The outside of an operation. ``stripe`` holds one gateway per tenant. Without a scanner no
    file is scanned; without a bucket files are kept in the database.
    """

    pool: ServicePool
    stripe: Mapping[str, StripeGateway]
    clock: Callable[[], datetime]
    scanner: Scanner | None = None
    bucket: Bucket | None = None
    commits: Commits = field(init=False)
    policies: Policies = field(init=False)
    positions: Tails[str] = field(init=False)
    versions: Tails[tuple[str, UUID]] = field(init=False)
    stream_reads: asyncio.Semaphore = field(init=False)
    """Streams have no admission: what they read together leaves connections for the calls."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "commits", Commits(self.pool))
        object.__setattr__(self, "policies", Policies(self.pool))
        object.__setattr__(self, "positions", Tails(partial(last_positions, self.pool)))
        object.__setattr__(self, "versions", Tails(partial(find_versions, self.pool)))
        object.__setattr__(self, "stream_reads", asyncio.Semaphore(STREAMS_READ_AT_ONCE))

    async def load_escrow(
        self, unit: UnitOfWork, name: UUID | str, *, by: str, effect_id: UUID | None
    ) -> EscrowRecords | None:
        """See ``load_escrow`` of the store."""
        return await load_escrow(self.pool, unit, name, by=by, effect_id=effect_id)

    async def find_escrow(self, tenant_id: str, escrow_id: UUID) -> EscrowRecords | None:
        """An escrow as it is now, to be looked at and not changed."""
        return await find_escrow(self.pool, tenant_id, escrow_id)

    async def commit(self, unit: UnitOfWork) -> None:
        """Writes the unit, all or nothing; see ``Commits.commit`` for what it raises, and what
        holds the unit.
        """
        if unit.hold:
            await unit.hold(unit)
        await self.commits.commit(unit)

    async def finish(
        self, unit: UnitOfWork, answer: Callable[[], Answer], *, dry_run: bool = False
    ) -> Answer:
        """Makes the answer of what was decided, and saves both; nothing in a dry run."""
        made = answer()
        return made if dry_run else await self.save(unit, made)

    async def save(self, unit: UnitOfWork, answer: Answer) -> Answer:
        """Commits the unit, with its answer stored for every replay of the same request."""
        unit.response = stored_form(answer).SerializeToString(deterministic=True)
        await self.commit(unit)
        return answer


async def rerun(
    runtime: Runtime,
    call: Call,
    operation: str,
    story: Callable[[UnitOfWork], Awaitable[Result]],
    *,
    request_hash: bytes = b"",
) -> Result:
    """Runs a story, and again for as long as other writers are first. In this process it waits for
    its turn at what it loads (``Turns``), and keeps it through all its runs.

    Raises:
        Answered: the operation was done before.
        Busy: others were faster every time.
        Overloaded, DeadlineExpired: it would be the call's turn too late.
    """
    turns: list[Hashable] = []
    try:
        return await _until_first(
            lambda: story(UnitOfWork(call, operation, request_hash, runtime.clock(), turns)), turns
        )
    finally:
        runtime.pool.turns.give_up(turns)


async def _until_first(run: Callable[[], Awaitable[Result]], turns: Sequence[Hashable]) -> Result:
    exists = False
    for number in range(MOST_RUNS):
        try:
            return await run()
        except AlreadyExists:
            # A twin of this very request may have made it after we looked: then it has answered.
            if exists:
                raise
            exists = True
        except Overtaken:
            longest_s = LONGEST_PAUSE_OF_TURN_S if turns else LONGEST_PAUSE_S
            pause_s = random.uniform(0, min(0.002 * 2**number, longest_s))  # noqa: S311  jitter
            await asyncio.sleep(pause_s)
    raise Busy
