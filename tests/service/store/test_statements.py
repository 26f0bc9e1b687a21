"""Every statement in the store fits the migrated schema; the hot ones never scan a table.

Plans are made as PostgreSQL makes them for a statement it has seen often: without knowing its
parameters, so that an array or a LIMIT is of a length it can only guess.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.migrations import MIGRATIONS
from service.store import (
    approvals,
    balance_transactions,
    balances,
    books,
    chargebacks,
    closings,
    commit,
    deadlines,
    dispute_evidence,
    disputes,
    effects,
    escrows,
    evidence,
    explained,
    exposure,
    for_operators,
    fragments,
    journals,
    listed_events,
    lists,
    names,
    open_effects,
    operations,
    origins,
    parties,
    payments,
    policies,
    queues,
    receivables,
    refunds,
    releases,
    sequence,
    stripe_events,
    suspense,
    sweeps,
    tenants,
    trial_balance,
    turnovers,
)
from service.store.checks.table import CHECKS
from service.store.checks.waiting import WAITING
from service.store.pool import open_pool
from tests.postgres import Server, connected, migrated_database

HOT = (
    approvals,
    balance_transactions,
    balances,
    chargebacks,
    dispute_evidence,
    disputes,
    commit,
    deadlines,
    effects,
    escrows,
    evidence,
    explained,
    exposure,
    names,
    operations,
    origins,
    parties,
    payments,
    policies,
    receivables,
    refunds,
    releases,
    sequence,
    stripe_events,
    sweeps,
    turnovers,
)
OF_OPERATORS = (for_operators, listed_events, open_effects, suspense)
MODULES = (*HOT, *OF_OPERATORS, queues, books, closings, journals, tenants, trial_balance)
STARTS = ("SELECT", "INSERT", "UPDATE", "WITH")
RELEASE = ("operations", "journals", "entries", "balances", "escrows", "milestones", "releases")
BY = {text: name for name, text in vars(escrows).items() if name.startswith("BY_")}
SCHEMA = (MIGRATIONS / "schema.sql").read_text()
FILL = (Path(__file__).parent / "filled.sql").read_text()
# What a statement is planned for: a new database, of which the planner knows nothing; a young one,
# whose tables fit on a page, where a scan looks cheap; and one that has been at work for a while.
ROWS = {"empty": "SELECT", "sparse": FILL.replace("(1, 5000)", "(1, 20)"), "filled": FILL}

Plan = dict[str, Any]


def _statements(module: object) -> Iterator[tuple[str, str]]:
    for name, value in vars(module).items():
        if not name.isupper() or name.startswith("_"):
            continue
        values = value.items() if isinstance(value, dict) else [("", value)]
        for key, text in values:
            if isinstance(text, str) and text.startswith(STARTS):
                yield f"{name} {BY.get(key, key)}".strip(), text.format(conditions="")


def _hot_statements() -> Iterator[tuple[str, str]]:
    for module in HOT:
        for name, text in _statements(module):
            yield f"{module.__name__.rpartition('.')[2]}.{name}", text
    yield "commit of everything", fragments.commit_statement(fragments.ORDER)
    yield "commit of a release", fragments.commit_statement((*RELEASE, "effects"))
    of_refunds = (
        lists.REFUNDS,
        lists.RECEIVABLES,
        lists.APPROVALS,
        chargebacks.CHARGEBACKS,
        disputes.DISPUTES,
        dispute_evidence.DISPUTE_EVIDENCE,
        evidence.EVIDENCE,
    )
    for listing in (escrows.ESCROWS, lists.PAYMENTS, lists.PAYERS, lists.PAYEES, *of_refunds):
        yield f"list {listing.table}", listing.statement.format(conditions="")
        yield f"list {listing.table}, keys", listing.keys.format(conditions="")
        for column in listing.filterable:
            value = datetime.now(UTC)  # which only a time's bounds look at
            condition = lists.Condition(column, "=", value)
            clauses, _ = lists.where(listing.key, [condition], listing.filterable, listing.through)
            yield f"list {listing.table} by {column}", listing.statement.format(conditions=clauses)
    yield "balances.roll_up_balances", function_body("roll_up_balances")
    yield "sequence.seal_next", function_body("seal_next")
    for name in ("OF_ESCROW", "OF_ACCOUNTS", "OF_PATTERNS"):
        condition = getattr(journals, name).format(number=5)
        for order in ("OLDEST_FIRST", "NEWEST_FIRST"):
            text = getattr(journals, order).format(conditions=condition)
            yield f"journals.{order} {name}", text


def function_body(name: str) -> str:
    """What an SQL function of the schema runs; its parameters are $1, $2 ... there too."""
    found = re.search(rf"FUNCTION public\.{name}\(.*?AS \$_?\$\n(.*?)\$_?\$;", SCHEMA, re.DOTALL)
    assert found, name
    return found[1]


HOT_STATEMENTS = dict(_hot_statements())
QUEUES = {f"queues.{name}": text for name, text in queues.WAITING.items()}
LISTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": text
    for module in OF_OPERATORS
    for name, text in _statements(module)
}
STATEMENTS = (
    HOT_STATEMENTS
    | {f"{module.__name__}.{n}": t for module in MODULES for n, t in _statements(module)}
    | {"sequence.seal_all": function_body("seal_all")}  # of a restored dump: it reads them all
    | {f"verify, waiting, {what}": statement for what, statement in WAITING.items()}
    | {f"verify, {check.name}": check.breaches for check in CHECKS}
    | {f"verify, {check.name}, examined": check.examined for check in CHECKS}
)


@asynccontextmanager
async def _planning(
    server: Server, template: str, fill: str
) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    async with migrated_database(server, template) as database:
        async with connected(database.owner_dsn) as owner:
            await owner.execute(fill)
        generic = {"plan_cache_mode": "force_generic_plan"}
        pool = await open_pool(
            database.worker_dsn, role="", min_size=1, max_size=1, settings=generic
        )
        async with pool.acquire() as connection:
            yield connection
        await pool.close()


@pytest.fixture(scope="module")
async def planners(
    postgres_server: Server, template_database: str
) -> AsyncIterator[Mapping[str, asyncpg.pool.PoolConnectionProxy]]:
    """A connection of the service to a database of each kind in ``ROWS``."""
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                _planning(postgres_server, template_database, fill)
            )
            for name, fill in ROWS.items()
        }


@pytest.fixture
def filled(
    planners: Mapping[str, asyncpg.pool.PoolConnectionProxy],
) -> asyncpg.pool.PoolConnectionProxy:
    return planners["filled"]


async def _plan(connection: asyncpg.pool.PoolConnectionProxy, statement: str) -> Plan:
    """The generic plan of a statement."""
    parameters = (await connection.prepare(statement)).get_parameters()
    nulls = f"({', '.join(['NULL'] * len(parameters))})" if parameters else ""
    await connection.execute(f"PREPARE statement AS {statement}")
    try:
        explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE statement{nulls}")
    finally:
        await connection.execute("DEALLOCATE statement")
    plan: Plan = json.loads(explained)[0]["Plan"]
    return plan


def _nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _table_scans(plan: Plan) -> list[Plan]:
    return [
        node
        for node in _nodes(plan)
        if "Scan" in node["Node Type"] and ("Relation Name" in node or "Index Name" in node)
    ]


def _troubles(plan: Plan) -> Iterator[str]:
    for node in _nodes(plan):
        if node["Node Type"] == "Seq Scan":
            yield f"scans {node['Relation Name']}"
        if node["Node Type"] in {"Hash Join", "Merge Join"} and _table_scans(node):
            yield f"joins {[scan.get('Relation Name') for scan in _table_scans(node)]} by scanning"


@pytest.mark.parametrize("name", sorted(STATEMENTS))
async def test_prepares(filled: asyncpg.pool.PoolConnectionProxy, name: str) -> None:
    try:
        await filled.prepare(STATEMENTS[name])
    except asyncpg.PostgresError as error:
        pytest.fail(f"{name}: {error}\n{STATEMENTS[name]}")


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", sorted(HOT_STATEMENTS | QUEUES | LISTS))
async def test_hot_statement_finds_its_rows_by_index(
    planners: Mapping[str, asyncpg.pool.PoolConnectionProxy], name: str, rows: str
) -> None:
    plan = await _plan(planners[rows], (HOT_STATEMENTS | QUEUES | LISTS)[name])

    assert list(_troubles(plan)) == [], json.dumps(plan, indent=1)


@pytest.mark.parametrize("name", sorted(HOT_STATEMENTS))
async def test_hot_statement_enters_every_table_by_a_key(
    filled: asyncpg.pool.PoolConnectionProxy, name: str
) -> None:
    for scan in _table_scans(await _plan(filled, HOT_STATEMENTS[name])):
        assert scan.get("Index Cond") or scan.get("Recheck Cond"), scan


@pytest.mark.parametrize(
    ("name", "index", "condition"),
    [
        ("balances.AS_OF", "balance_snapshots_pkey", "through <= $3"),
        ("balances.roll_up_balances", "journals_pkey", "journal_id <= $2"),
        (
            "balances.roll_up_balances",
            "entries_pkey",
            "journal_id > step",
        ),  # what is new, and no more
        ("effects.LEASE_DUE", "effects_open", "due_at <= $1"),
        ("stripe_events.LEASE", "stripe_events_open", "due_at <= $1"),
        ("releases.WAITING", "releases_waiting", "transfer_at <= $1"),
        ("operations.TIMELINE", "operations_timeline", "escrow_version > $3"),
        # Every page starts where the one before ended.
        ("list escrows", "escrows_pkey", "escrow_id < COALESCE($2"),
        ("list escrows by payer_id", "escrows_by_payer", "escrow_id < COALESCE($2"),
        ("list escrows by payee_id", "escrows_by_payee", "escrow_id < COALESCE($2"),
        ("list escrows by reference", "escrows_by_reference", "escrow_id < COALESCE($2"),
        ("list payments", "payments_pkey", "payment_id < COALESCE($2"),
        ("list payments by escrow_id", "payments_by_escrow", "escrow_id = $4"),
        ("list payers", "payers_pkey", "payer_id < COALESCE($2"),
        ("list payers by reference", "payers_reference", "reference = $4"),
        ("list payers by email", "payers_by_email", "payer_id < COALESCE($2"),
        ("list payees by email", "payees_by_email", "payee_id < COALESCE($2"),
        ("list payees by stripe_account", "payees_stripe_account", "stripe_account = $4"),
        # A time is a range of ids.
        ("list escrows by created_at", "escrows_pkey", "escrow_id >= $5"),
        ("list payments by created_at", "payments_pkey", "payment_id <= $6"),
        ("parties.LIST_PAYOUTS", "payouts_by_payee", "payout_id < COALESCE($3"),
    ],
)
async def test_index_answers_the_whole_condition(
    filled: asyncpg.pool.PoolConnectionProxy, name: str, index: str, condition: str
) -> None:
    scans = _table_scans(await _plan(filled, HOT_STATEMENTS[name]))

    (scan,) = [scan for scan in scans if scan.get("Index Name") == index]
    assert condition in scan["Index Cond"]


INDEXES_OF_NAMES = {
    *("escrows_by_reference", "payers_reference", "payees_reference", "payers_stripe_customer"),
    *("payees_stripe_account", "previous_accounts_stripe_account", "payments_stripe_charge"),
    *("payments_stripe_payment_intent", "payments_stripe_checkout_session", "freezes_by_source"),
    "chargebacks_by_dispute",
    *("releases_by_transfer", "payouts_stripe_payout", "refunds_by_stripe_refund"),
    "stripe_events_pkey",
    *("balance_transactions_pkey", "journals_pkey"),
}


async def test_every_column_of_names_is_asked_by_its_own_index(
    filled: asyncpg.pool.PoolConnectionProxy,
) -> None:
    scans = _table_scans(await _plan(filled, names.BY_TEXT))

    assert {scan["Index Name"] for scan in scans} == INDEXES_OF_NAMES
    for scan in scans:
        assert "$2" in scan["Index Cond"] or scan["Index Name"] == "journals_pkey", scan


@pytest.mark.parametrize(
    ("queue", "index"),
    [
        ("effects", "effects_open"),
        ("inbox", "stripe_events_open"),
        ("set_aside", "stripe_events_set_aside"),
        ("transfers", "releases_waiting"),
        ("settlements", "payments_unsettled"),
        ("freezes", "freezes_open"),
        ("refunds", "refunds_open"),
        ("receivables", "receivables_open"),
        ("approvals", "approvals_waiting"),
        ("deadlines", "deadlines_to_act"),
        ("hold_limits", "deadlines_warned"),
        ("evidence", "chargebacks_to_answer"),
        ("chargebacks", "chargebacks_unsettled"),
        ("differences", "sweeps_differ"),
    ],
)
async def test_a_queue_is_read_from_an_index_that_holds_nothing_else(
    filled: asyncpg.pool.PoolConnectionProxy, queue: str, index: str
) -> None:
    scans = _table_scans(await _plan(filled, queues.WAITING[queue]))

    indexes = {scan["Index Name"] for scan in scans if "Index Name" in scan}
    assert indexes - {"payees_pkey"} == {index}


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("name", ["balances.AS_OF", "balances.roll_up_balances"])
async def test_entries_of_an_account_are_summed_from_the_index_alone(
    planners: Mapping[str, asyncpg.pool.PoolConnectionProxy], name: str, rows: str
) -> None:
    scans = _table_scans(await _plan(planners[rows], HOT_STATEMENTS[name]))

    of_account = [s for s in scans if s.get("Index Name") == "entries_by_account_and_time"]
    assert {scan["Node Type"] for scan in of_account} == {"Index Only Scan"}
    (range_of_time,) = [scan for scan in of_account if "journal_id" in scan["Index Cond"]]
    for column in ("tenant_id", "account", "currency", "journal_id >", "journal_id <="):
        assert column in range_of_time["Index Cond"]


@pytest.mark.parametrize("rows", ROWS)
async def test_what_is_available_is_summed_from_the_index_alone(
    planners: Mapping[str, asyncpg.pool.PoolConnectionProxy], rows: str
) -> None:
    scans = _table_scans(
        await _plan(planners[rows], HOT_STATEMENTS["balance_transactions.AVAILABILITY"])
    )

    of_account = [s for s in scans if s.get("Index Name") == "balance_transactions_availability"]
    assert [scan["Node Type"] for scan in of_account] == ["Index Only Scan"] * 2


async def test_the_guard_sees_a_plan_that_scans(
    filled: asyncpg.pool.PoolConnectionProxy,
) -> None:
    """Without the pool's settings the planner hashes the leased rows with the whole table."""
    async with filled.transaction():
        await filled.execute("SET LOCAL enable_hashjoin = on; SET LOCAL enable_seqscan = on")
        plan = await _plan(filled, effects.LEASE_DUE)

        assert list(_troubles(plan)) == ["joins ['effects'] by scanning", "scans effects"]
