"""Operations on an escrow, as their code tells them, for tests that run many of them at once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from service.aggregates.escrow import EscrowCase, open_case
from service.domain.call import Call, Party
from service.domain.states.milestone import MilestoneEvent
from service.domain.states.payee import PayeeState
from service.domain.states.release import ReleaseState
from service.domain.unit import UnitOfWork
from service.effects import create_transfer
from service.migrations import Connection
from service.operations.escrows.release_part import release_part
from service.operations.operators.verify_books import verify_books
from service.runtime import Runtime, rerun
from service.store.commit import write
from service.store.operations import Answered
from service.store.pool import ServicePool
from tests.postgres import Database, connected
from tests.records import NOW, TENANT, Deal, fund_deal, new_payee, new_unit

OPERATIONS = "SELECT key, count(*) FROM operations WHERE kind = $1 GROUP BY key"
BALANCE = "SELECT balance_minor FROM balances WHERE account = $1"
OF_THE_SERVICE = "datname = current_database() AND application_name = 'escrow'"
STOPPED = f"SELECT pid FROM pg_stat_activity WHERE {OF_THE_SERVICE} AND wait_event_type = 'Lock'"
CUT = "SELECT pg_terminate_backend(pid) FROM unnest($1::integer[]) AS pid"

Committing = Callable[[Runtime, UnitOfWork], Awaitable[None]]
Stopped = Callable[[int], Awaitable[list[int]]]


def open_house(pool: ServicePool) -> Runtime:
    return Runtime(pool, {}, lambda: NOW)


async def alone(runtime: Runtime, unit: UnitOfWork) -> None:
    """Commits with a statement of its own, whoever else commits."""
    await write(runtime.pool, [unit])


async def shared(runtime: Runtime, unit: UnitOfWork) -> None:
    """Commits as operations do: with whoever commits at the same time."""
    await runtime.commit(unit)


async def fund_for_waiting_payee(pool: ServicePool, amount_minor: int = 100_00) -> Deal:
    """A deal whose payee cannot be paid yet, so that what is released waits in payable."""
    payee = new_payee(state=PayeeState.RESTRICTED)
    unit = new_unit()
    unit.put(payee)
    await write(pool, [unit])
    return await fund_deal(pool, payee=payee, amount_minor=amount_minor)


async def deals_of_one_payee(pool: ServicePool, count: int) -> list[Deal]:
    """Deals whose payee has 8.00 in payable already, by the operation with the key "before"."""
    first = await fund_for_waiting_payee(pool)
    await release(open_house(pool), first, "before", 10_00)
    return [await fund_deal(pool, payee=first.payee) for _ in range(count)]


async def change(
    runtime: Runtime,
    deal: Deal,
    key: str,
    verb: Callable[[EscrowCase], object],
    *,
    party: Party,
    commit: Committing = shared,
) -> bytes:
    """One operation on the deal's escrow, told by one key; its stored answer."""

    async def story(unit: UnitOfWork) -> bytes:
        case = await open_case(runtime, unit, deal.escrow.escrow_id)
        verb(case)
        unit.response = uuid4().bytes  # no two runs would answer the same
        await commit(runtime, unit)
        return unit.response

    try:
        return await rerun(runtime, Call(TENANT, "tests", party, key), verb.__name__, story)
    except Answered as answered:
        return answered.response


async def release(
    runtime: Runtime, deal: Deal, key: str, amount_minor: int | None, *, commit: Committing = shared
) -> bytes:
    """Releases a part of the deal's milestone, or all of it."""

    def release_milestone(case: EscrowCase) -> None:
        release_part(
            case,
            case.milestone(deal.milestone.milestone_id),
            amount_minor,
            whole=MilestoneEvent.RELEASE,
            part=MilestoneEvent.RELEASE_PART,
        )

    return await change(runtime, deal, key, release_milestone, party=Party.PAYER, commit=commit)


async def transfer(runtime: Runtime, deal: Deal, key: str) -> bytes:
    """Requests the transfer of a part that was released and waits."""

    def request_transfer(case: EscrowCase) -> None:
        waiting = (r for r in case.records.releases if r.state is ReleaseState.WAITING)
        create_transfer.plan(case, next(waiting))

    return await change(runtime, deal, key, request_transfer, party=Party.TIMER)


async def outcomes(calls: Sequence[Awaitable[bytes]]) -> list[bytes | type[BaseException]]:
    """What came of calls that were made side by side: an answer, or the kind of refusal."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    return [result if isinstance(result, bytes) else type(result) for result in results]


async def times_done(owner: Connection, operation: str) -> Counter[str]:
    """How often each key of an operation was written."""
    return Counter({row["key"]: row["count"] for row in await owner.fetch(OPERATIONS, operation)})


async def assert_books_hold(pool: ServicePool) -> None:
    report = await verify_books(pool)
    assert report.clean, [check for check in report.checks if check.breaches]


@asynccontextmanager
async def stopped_commits(
    database: Database, owner: Connection, account: str
) -> AsyncIterator[Stopped]:
    """Holds the balance of an account, so that commits that change it stop in their middle.

    Yields what waits until so many stand still, and tells the servers that run them.
    """
    cut: set[int] = set()

    async def wait(count: int) -> list[int]:
        async with asyncio.timeout(10):
            while len(stopped := await still() - cut) < count:  # noqa: ASYNC110  in PostgreSQL
                await asyncio.sleep(0.005)
        cut.update(stopped)  # so that whoever comes after them is waited for next time
        return sorted(stopped)

    async def still() -> set[int]:
        return {row["pid"] for row in await owner.fetch(STOPPED)}

    async with connected(database.owner_dsn) as holder, holder.transaction():
        await holder.execute(f"{BALANCE} FOR UPDATE", account)
        yield wait
