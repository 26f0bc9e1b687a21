"""What looking for work costs with many tenants: the statements and the time of a poll.

Every poller looks on its own, with nothing beside it: first while no tenant has work, then while
each has one item in every queue, until all is taken. Nothing is done about an item.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg
from rich.table import Table

from benchmarks.fixture import sql_id
from benchmarks.plan import Plan
from benchmarks.programs import JobProgram, ProgramFailed
from benchmarks.samples import Spread
from benchmarks.stand import Database, Stand, people, service_environment
from benchmarks.tenants import sql_parties_of, sql_tenant, tenant_names
from service.server import WORKERS
from service.workers.watch import QueueWatch

WITHOUT_WORK, WITH_WORK = "no tenant has work", "each has one item"
TAKING = tuple(worker.__name__ for worker in WORKERS)
WATCHING = QueueWatch.__name__

# The other workers lease what they take. These find an item again until it is done, so the
# benchmark marks it done, by a connection of its own that nothing counts.
DONE: Mapping[str, str] = {
    "TransfersWorker": "UPDATE releases SET state = 'IN_FLIGHT' WHERE tenant_id = ANY($1::text[])",
    "ReceivablesWorker": "UPDATE receivables SET state = 'REVERSING'"
    " WHERE tenant_id = ANY($1::text[])",
    "ClosingsWorker": "UPDATE closings SET due_at = now() + interval '1 hour'"
    " WHERE tenant_id = ANY($1::text[])",
    "SealingsWorker": "UPDATE sealings SET sealed_below = 1000 WHERE tenant_id = ANY($1::text[])",
}


def _schedules(tenants: int) -> str:
    """What is done of every tenant again and again: all of it in an hour."""
    return f"""
INSERT INTO closings SELECT {sql_tenant("n", tenants)}, {sql_id("operation", "n")},
    {sql_id("operation", "n")}, now() + interval '1 hour'
FROM generate_series(0, {tenants - 1}) AS n;
INSERT INTO sealings SELECT {sql_tenant("n", tenants)}, 0, 1000, '{{}}', 1
FROM generate_series(0, {tenants - 1}) AS n;
INSERT INTO sweeps (tenant_id, stripe_account, due_at, compare_due_at)
SELECT {sql_tenant("n", tenants)}, '', now() + interval '1 hour', now() + interval '1 hour'
FROM generate_series(0, {tenants - 1}) AS n;
"""


def _items(tenants: int) -> str:
    """One item in every queue for each tenant, all of them due, each for a while of its own."""
    tenant, series = sql_tenant("n", tenants), f"generate_series(0, {tenants - 1}) AS n"
    due = "now() - interval '1 minute' - n * interval '1 second'"
    release, escrow, payee = sql_id("operation", "n"), sql_id("escrow", "n"), sql_id("payee", "n")
    return f"""
INSERT INTO effects SELECT {tenant}, {release}, 1, 'create_transfer', 'PLANNED', 1, {release},
    {escrow}, {payee}, NULL, jsonb_build_object('amount', 8000, 'filler', repeat('x', 376)),
    {due}, now(), now(), 0, NULL, NULL, NULL, '{{}}'
FROM {series};
INSERT INTO stripe_events SELECT {tenant}, 'evt_' || n, 'PLATFORM', NULL,
    'payment_intent.succeeded', '', false, now(), convert_to(repeat('x', 2400), 'UTF8'),
    'RECEIVED', 0, {due}, '', now()
FROM {series};
INSERT INTO releases SELECT {tenant}, {release}, {escrow}, {sql_id("milestone", "n")}, {payee},
    {sql_id("payment", "n")}, 10000, 8000, 'USD', 'WAITING', NULL, {due}, now(), now(), 0
FROM {series};
INSERT INTO receivables (tenant_id, receivable_id, version, payee_id, escrow_id, release_id,
    refund_id, state, amount_minor, currency, created_at, updated_at, reversible_minor,
    reversal_currency, reversal_minor, reversed_minor, netted_minor, written_off_minor,
    canceled_minor, refusals, recover_at)
SELECT {tenant}, {release}, 1, {payee}, {escrow}, {release}, {release}, 'OWED', 8000, 'USD', now(),
    now(), 8000, 'USD', 8000, 0, 0, 0, 0, 0, {due}
FROM {series};
INSERT INTO deadlines (tenant_id, escrow_id, deadline_id, subject_id, kind, starts_at, due_at,
    act_at, warned_percent, tries)
SELECT {tenant}, {escrow}, {release}, {escrow}, 'PAYMENT', now(), {due}, {due}, 0, 0
FROM {series};
INSERT INTO operations SELECT {tenant}, {release}, 'test', 'tests', 'service', 'key', '', NULL,
    NULL, NULL, '[]', '', '', now(), 0
FROM {series};
UPDATE sealings SET sealed_below = 0;
UPDATE closings SET due_at = now() - interval '1 minute';
UPDATE sweeps SET due_at = now() - interval '1 minute';
"""


@dataclass(frozen=True, slots=True)
class Polls:
    """The polls of one poller, ``items`` of which it took together. The spreads are per poll."""

    poller: str
    work: str
    polls: int
    items: int
    statements: Spread
    ms: Spread

    @classmethod
    def of(cls, poller: str, work: str, made: Sequence[Mapping[str, Any]]) -> Polls:
        return cls(
            *(poller, work, len(made), sum(len(poll["tenants"]) for poll in made)),
            Spread.of([poll["statements"] for poll in made]),
            Spread.of([poll["ms"] for poll in made]),
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


async def measure_polls(stand: Stand, plan: Plan) -> list[Polls]:
    """The polls of every poller without work, then with it."""
    people.print(f"polls with {plan.tenants} tenants ...")
    tenants = tenant_names(plan.tenants)
    database = await stand.database()
    await database.owner.execute(sql_parties_of(plan.tenants) + _schedules(plan.tenants))
    await database.owner.execute("VACUUM ANALYZE")
    program = await _start(stand, database, tenants)
    for poller in (*TAKING, WATCHING):  # a first look prepares its statements
        await _poll(program, poller, 1)
    without = [
        Polls.of(poller, WITHOUT_WORK, await _poll(program, poller, plan.polls))
        for poller in (*TAKING, WATCHING)
    ]
    await _add_items(database.owner, plan.tenants)
    watched = Polls.of(WATCHING, WITH_WORK, await _poll(program, WATCHING, plan.polls))
    taken = [
        Polls.of(poller, WITH_WORK, await _take_all(program, poller, database.owner, tenants))
        for poller in TAKING
    ]
    return [*without, *taken, watched]


async def _start(stand: Stand, database: Database, tenants: Sequence[str]) -> JobProgram:
    env = {
        **service_environment(database.dsn),
        "ESCROW_DATABASE_ROLE": "escrow_worker",  # it polls as a worker does
        **stand.tenants_file(tenants),
        "ESCROW_DATABASE_POOL_MIN": "1",
        "ESCROW_DATABASE_POOL_MAX": "1",
    }
    return await stand.start_jobs("pollers", "benchmarks.poll_program", env)


async def _add_items(owner: asyncpg.Connection, tenants: int) -> None:
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")  # no escrows are there
        await owner.execute(_items(tenants))
    await owner.execute("VACUUM ANALYZE")


async def _poll(program: JobProgram, poller: str, polls: int) -> list[dict[str, Any]]:
    answer = await program.run({"poller": poller, "polls": polls})
    made: list[dict[str, Any]] = answer["polls"]
    return made


async def _take_all(
    program: JobProgram, poller: str, owner: asyncpg.Connection, tenants: Sequence[str]
) -> list[dict[str, Any]]:
    """Polls until the item of every tenant is taken. Raises ProgramFailed when one is not, or is
    taken twice.
    """
    left, polls = set(tenants), []
    while left:
        (poll,) = await _poll(program, poller, 1)
        taken = poll["tenants"]
        if not taken or len(taken) != len(left.intersection(taken)):
            raise ProgramFailed(f"{poller} took {taken} while {len(left)} tenants had work")
        if poller in DONE:
            await owner.execute(DONE[poller], taken)
        left.difference_update(taken)
        polls.append(poll)
    return polls


def polls_table(measured: Sequence[Polls]) -> Table:
    table = Table(title="Looking for work, per poll: median of the polls (least-most)")
    for heading in ("", "tenants", "polls", "items", "statements", "ms"):
        table.add_column(heading)
    for each in measured:
        statements, ms = each.statements, each.ms
        table.add_row(
            *(each.poller, each.work, str(each.polls), str(each.items)),
            f"{statements.median:g} ({statements.least:g}-{statements.most:g})",
            f"{ms.median:.2f} ({ms.least:.2f}-{ms.most:.2f})",
        )
    return table
