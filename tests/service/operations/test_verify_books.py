"""verify_books: finds nothing in right books, and each check finds exactly the row that is wrong.

The books are spoiled as the database's owner, past the role and the triggers that keep the service
from ever doing so.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from service.operations.operators.verify_books import Report, verify_books
from service.store.checks.table import CHECKS
from service.store.pool import open_pool
from service.store.sequence import seal_operations
from tests.postgres import Database, Server, connected, migrated_database
from tests.records import TENANT
from tests.service.movements.strangers import charge_of, dispute, moved
from tests.service.movements.test_currencies import in_euro, settles_in_dollars
from tests.service.operations.agreements.amending import agreed, amended
from tests.service.operations.agreements.asking import payer_asks
from tests.service.operations.disputes.disputing import opened
from tests.service.operations.escrows.split import share, split_escrow
from tests.service.operations.escrows.test_release_milestone import release
from tests.service.operations.marketplace import Marketplace, open_marketplace, usd
from tests.service.operations.refunds.money import refund, transferred
from tests.service.store.closed_books import close, roll_all_up


@pytest.fixture(scope="module")
async def told(
    postgres_server: Server, template_database: str, sandbox_url: str
) -> AsyncIterator[Database]:
    """A database in which everything has happened that is booked so far."""
    async with migrated_database(postgres_server, template_database) as database:
        async with open_marketplace(database, sandbox_url) as market:
            await tell_it_all(market)
        yield database  # with nobody connected: it is a template for the tests


async def tell_it_all(market: Marketplace) -> None:
    await moved(market, "topup", 2_000)  # what Stripe keeps of what is refunded
    owing = await market.new_payee()
    given_back = await transferred(market, payee=owing)
    await market.pay_out(owing, 8_000)
    await refund(market, given_back)
    await market.settle()
    payee = await market.paid_payee()
    for amount_minor in (2_000, 3_000):
        request = party_pb.RequestPayoutRequest(
            request_id=new_request_id(), payee_id=payee.id, amount=usd(amount_minor)
        )
        await market.payee.parties.RequestPayout(request)
    await market.work()
    parted = await market.funded_escrow(6_000, 4_000, payee=payee)
    await release(market, parted, 2_500)
    waiting = await market.delivered_escrow()  # its payee is not ready
    await market.accept(waiting)
    await market.settle()
    await dispute(market, await charge_of(market, await market.funded_escrow()))
    await moved(market, "stripe_fee", -200)
    await market.sweep()
    await split_escrow(market, [share(payee, basis=5_000), share(owing)], delivered=False)
    await settles_in_dollars(market)
    await in_euro(market, 5_000)
    await opened(market.payer, await market.delivered_escrow(payee=payee), amount_minor=1_000)
    on_its_way = await market.delivered_escrow(payee=payee)
    await market.accept(on_its_way)
    unpaid = await market.fund(await market.new_escrow())
    await market.pay(unpaid)
    await market.read_payment(unpaid)  # paid, and its fee not known
    await refund(market, parted, 1_000)
    await payer_asks(market, await market.new_escrow(payee=payee))
    cheaper = await market.new_escrow(payee=payee)
    await agreed(market, cheaper, amended(cheaper, price=7_777))
    await take_snapshots(market)
    await seal_operations(market.work_runtime.pool, TENANT, most=10_000)


async def take_snapshots(market: Marketplace) -> None:
    """Closes the books and rolls up every account with more than a few entries."""
    runtime = market.work_runtime
    await roll_all_up(runtime.pool, await close(runtime.pool, runtime.clock()), entries_apart=2)


@pytest.fixture
async def books(postgres_server: Server, told: Database) -> AsyncIterator[Database]:
    """A copy of it."""
    async with migrated_database(postgres_server, told.name) as database:
        yield database


async def verify(database: Database) -> Report:
    pool = await open_pool(database.reader_dsn, role="")
    try:
        return await verify_books(pool)
    finally:
        await pool.close()


async def spoil(database: Database, statement: str) -> dict[str, Any]:
    """Does what nobody may do; the row that was hit."""
    async with connected(database.owner_dsn) as owner, owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")  # no trigger, no key
        for table, constraint in await owner.fetch(
            "SELECT conrelid::regclass::text, conname FROM pg_constraint"
            " WHERE contype = 'c' AND connamespace = 'public'::regnamespace"
        ):
            await owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        await owner.execute("ALTER TABLE journals DROP CONSTRAINT journals_source")
        rows = await owner.fetch(statement)
        assert len(rows) == 1, rows
        return dict(rows[0])


async def test_everything_that_happened_is_right(books: Database) -> None:
    report = await verify(books)

    assert report.clean
    assert [check.name for check in report.checks if check.breaches] == []
    assert all(check.examined for check in report.checks)
    waiting = {what: count for what, (count, _) in report.waiting.items() if count}
    assert waiting["open effects"] == 3  # a transfer, a refund, the schedule of a new account
    assert waiting["what payees owe (escrow receivables list)"] == 1
    assert waiting["payments not settled"] == 1
    assert waiting["releases waiting for their payee or a retry"] == 1


LAST_SNAPSHOT = """\
WHERE account = 'asset:stripe_unsettled' AND currency = 'USD' AND through = (
    SELECT max(through::text)::uuid FROM balance_snapshots WHERE account = 'asset:stripe_unsettled'
) RETURNING account, through"""


@dataclass(frozen=True)
class Crime:
    """What is done to the books, which checks see it, and by which column they name the row."""

    done: str
    seen_by: frozenset[str]
    named_by: tuple[str, ...]


def crime(done: str, *seen_by: str, named_by: tuple[str, ...]) -> Crime:
    return Crime(done, frozenset(seen_by), named_by)


CRIMES = {
    "a balance is changed": crime(
        "UPDATE balances SET balance_minor = balance_minor + 1"
        " WHERE account LIKE '%:payable' AND balance_minor > 0 RETURNING account",
        "balances",
        named_by=("account",),
    ),
    "a balance is lost": crime(
        "DELETE FROM balances WHERE account LIKE '%:payable' AND balance_minor > 0"
        " RETURNING account",
        "balances",
        named_by=("account",),
    ),
    "a balance falls below zero": crime(
        "UPDATE balances SET balance_minor = -1"
        " WHERE account LIKE '%:payable' AND balance_minor > 0 RETURNING account",
        "I3 no liability below zero",
        "balances",
        named_by=("account",),
    ),
    "a part of a payee is changed": crime(
        "UPDATE milestone_payees SET gone_minor = 1 WHERE position = 0 RETURNING milestone_id",
        "split",
        named_by=("milestone_id",),
    ),
    "an entry is changed": crime(
        "UPDATE entries SET amount_minor = amount_minor + 1 WHERE account = 'rev:service_fee'"
        " AND journal_id = (SELECT max(journal_id::text)::uuid FROM journals"
        " WHERE kind = 'released') RETURNING journal_id",
        "I1 zero sum",
        "snapshots",
        named_by=("journal_id",),
    ),
    "an entry moves to another account": crime(
        "UPDATE entries SET account = 'rev:platform_fee' WHERE account = 'exp:processing'"
        " AND journal_id = (SELECT max(journal_id::text)::uuid FROM journals"
        " WHERE kind = 'charge_settled') RETURNING journal_id",
        "postings",
        "snapshots",
        named_by=("journal_id",),
    ),
    "money at Stripe is called our own": crime(
        "UPDATE entries SET account = 'eq:platform_capital' WHERE account = 'asset:stripe'"
        " AND journal_id = (SELECT min(journal_id::text)::uuid FROM journals"
        " WHERE kind = 'charge_settled') RETURNING journal_id, currency",
        "I2 stripe",
        "I4 cover",
        "postings",
        "snapshots",
        named_by=("journal_id", "currency"),
    ),
    "an entry moves to another book": crime(
        "UPDATE entries SET book = 'connected' WHERE account = 'rev:platform_fee'"
        " AND journal_id = (SELECT max(journal_id::text)::uuid FROM journals"
        " WHERE kind = 'released') RETURNING journal_id",
        "postings",
        "I1 zero sum",
        named_by=("journal_id",),
    ),
    "a journal gets another kind": crime(
        "UPDATE journals SET kind = 'bonus' WHERE journal_id ="
        " (SELECT max(journal_id::text)::uuid FROM journals WHERE kind = 'released')"
        " RETURNING journal_id",
        "postings",
        named_by=("journal_id",),
    ),
    "a journal is told twice": crime(
        "INSERT INTO journals SELECT tenant_id, 'ffffffff-ffff-7fff-bfff-ffffffffffff', kind,"
        " source_type, source_id, currency, escrow_id, operation_id, event_at, created_at"
        " FROM journals WHERE kind = 'payout_created' LIMIT 1 RETURNING source_id",
        "I7 told once",
        "moments",  # its id is of a moment that no clock will show, which Python cannot either
        "postings",  # it has no entries
        named_by=("source_id",),
    ),
    "a release's journal is deleted": crime(
        "WITH gone AS (DELETE FROM journals WHERE journal_id ="
        " (SELECT max(journal_id::text)::uuid FROM journals WHERE kind = 'released')"
        " RETURNING journal_id), entries_gone AS (DELETE FROM entries WHERE journal_id IN"
        " (SELECT journal_id FROM gone) RETURNING account)"
        " SELECT split_part(account, ':', 3) AS milestone FROM entries_gone"
        " WHERE account LIKE '%:held'",
        "balances",
        "held",
        "payable",
        "snapshots",
        named_by=("milestone",),
    ),
    "a settlement's journal is deleted": crime(
        "WITH gone AS (DELETE FROM journals WHERE journal_id ="
        " (SELECT max(journal_id::text)::uuid FROM journals WHERE kind = 'charge_settled')"
        " RETURNING journal_id, currency), entries_gone AS (DELETE FROM entries WHERE journal_id"
        " IN (SELECT journal_id FROM gone)) SELECT currency FROM gone",
        "I2 stripe",
        "payments",
        "snapshots",
        named_by=("currency",),
    ),
    "a snapshot is for more": crime(
        f"UPDATE balance_snapshots SET balance_minor = balance_minor + 1 {LAST_SNAPSHOT}",
        "snapshots",
        named_by=("account", "through"),
    ),
    "a snapshot counts fewer entries": crime(
        f"UPDATE balance_snapshots SET entries = entries - 1 {LAST_SNAPSHOT}",
        "snapshots",
        named_by=("account", "through"),
    ),
    "a milestone was funded with more": crime(
        "UPDATE milestones SET funded_minor = funded_minor + 1 WHERE state = 'FUNDED'"
        " AND released_minor = 0 AND amount_minor = 4000 RETURNING milestone_id",
        "I5 I6 milestones",
        "held",
        named_by=("milestone_id",),
    ),
    "a milestone holds more than it was paid": crime(
        "UPDATE milestones SET released_minor = released_minor - 100"
        " WHERE state = 'FUNDED' AND released_minor > 0 RETURNING milestone_id",
        "held",
        named_by=("milestone_id",),
    ),
    "more is frozen than is held": crime(
        "UPDATE milestones SET frozen_minor = 4001 WHERE amount_minor = 4000"
        " RETURNING milestone_id",
        "I5 I6 milestones",
        "I5 frozen",
        named_by=("milestone_id",),
    ),
    "a release is for more": crime(
        "UPDATE releases SET payee_share_minor = payee_share_minor + 1 WHERE state = 'WAITING'"
        " RETURNING payee_id",
        "payable",
        named_by=("payee_id",),
    ),
    "a transfer in flight is for more": crime(
        "UPDATE releases SET sent_minor = sent_minor + 1 WHERE state = 'IN_FLIGHT'"
        " RETURNING currency",
        "in flight",
        "transfers",
        named_by=("currency",),
    ),
    "a refund in flight is for more": crime(
        "UPDATE refunds SET amount_minor = amount_minor + 1 WHERE state = 'REQUESTED'"
        " RETURNING currency",
        "refunds",
        named_by=("currency",),
    ),
    "a payee owes less": crime(
        "UPDATE receivables SET netted_minor = 1 RETURNING payee_id",
        "receivables",
        named_by=("payee_id",),
    ),
    "a chargeback took more": crime(
        "UPDATE chargebacks SET withdrawn_minor = withdrawn_minor + 1 RETURNING chargeback_id",
        "chargebacks",
        named_by=("chargeback_id",),
    ),
    "payees bear a fee that they were not asked for": crime(
        "UPDATE chargebacks SET settled_at = now(), passed_on_minor = 1 RETURNING chargeback_id",
        "dispute fees",
        named_by=("chargeback_id",),
    ),
    "a dispute has lost what it froze": crime(
        "UPDATE disputes SET lost_minor = amount_minor WHERE state = 'OPEN' RETURNING dispute_id",
        "disputes",
        named_by=("dispute_id",),
    ),
    "a dispute has ended, and its money is frozen": crime(
        "UPDATE disputes SET state = 'WITHDRAWN' WHERE state = 'OPEN' RETURNING dispute_id",
        "disputes",
        "deadlines",
        named_by=("dispute_id",),
    ),
    "a deadline runs for what is over": crime(
        "UPDATE deadlines SET kind = 'PAYMENT' WHERE kind = 'HOLD_LIMIT' AND deadline_id ="
        " (SELECT max(deadline_id::text)::uuid FROM deadlines WHERE kind = 'HOLD_LIMIT')"
        " RETURNING deadline_id",
        "deadlines",
        named_by=("deadline_id",),
    ),
    "a price is another than was agreed": crime(
        "UPDATE milestones SET amount_minor = 7000 WHERE amount_minor = 7777"
        " RETURNING milestone_id",
        "amendments",
        named_by=("milestone_id",),
    ),
    "an agreement is of another version": crime(
        "UPDATE proposals SET agreed_version = 1 WHERE agreed_version > 1 RETURNING proposal_id",
        "amendments",
        named_by=("proposal_id",),
    ),
    "an open transfer's effect says that it is done": crime(
        "UPDATE effects SET state = 'SUCCEEDED' WHERE kind = 'create_transfer'"
        " AND state = 'PLANNED' RETURNING effect_id",
        "transfers",
        named_by=("effect_id",),
    ),
    "a transfer has no object at Stripe": crime(
        "UPDATE releases SET stripe_transfer = NULL WHERE state = 'TRANSFERRED'"
        " AND amount_minor = 2500 RETURNING release_id",
        "transfers",
        named_by=("release_id",),
    ),
    "a balance transaction is of less": crime(
        "UPDATE balance_transactions SET net_minor = net_minor - 1, amount_minor = amount_minor - 1"
        " WHERE balance_transaction_id = (SELECT min(balance_transaction_id)"
        " FROM balance_transactions WHERE book = 'platform') RETURNING currency, journal_id",
        "I2 stripe",
        "I2 moved by",
        named_by=("currency",),
    ),
    "a payment settled for more": crime(
        "UPDATE payments SET settled_minor = settled_minor + 1 WHERE settled_currency IS NOT NULL"
        " RETURNING settled_currency AS currency",
        "exchange",
        named_by=("currency",),
    ),
    "a balance transaction is gone": crime(
        "DELETE FROM balance_transactions WHERE balance_transaction_id = ("
        "SELECT min(balance_transaction_id) FROM balance_transactions WHERE book = 'platform')"
        " RETURNING currency",
        "I2 stripe",
        "I2 moved by",
        named_by=("currency",),
    ),
    "a freeze is gone": crime(
        "DELETE FROM freezes WHERE reason <> 'DISPUTE' RETURNING milestone_id",
        "I5 frozen",
        named_by=("milestone_id",),
    ),
    "a payment that came did not come": crime(
        "UPDATE payments SET state = 'CANCELED' WHERE state = 'SUCCEEDED'"
        " AND stripe_balance_transaction IS NULL RETURNING currency",
        "payments",
        named_by=("currency",),
    ),
    "a payout is for more": crime(
        "UPDATE payouts SET amount_minor = amount_minor + 1 WHERE amount_minor = 2000"
        " RETURNING currency",
        "connected",
        named_by=("currency",),
    ),
    "an operation is deleted": crime(
        "DELETE FROM operations WHERE kind = 'submit_delivery' AND escrow_id ="
        " (SELECT min(escrow_id::text)::uuid FROM escrows) RETURNING escrow_id",
        "timeline",
        "sequence",
        "sequence of escrows",
        named_by=("escrow_id",),
    ),
    "a version is skipped": crime(
        "UPDATE escrows SET version = version + 1 WHERE escrow_id ="
        " (SELECT min(escrow_id::text)::uuid FROM escrows) RETURNING escrow_id",
        "timeline",
        named_by=("escrow_id",),
    ),
    "a milestone is due in a year that no calendar of ours has": crime(
        "UPDATE milestones SET due_at = '10000-01-01' WHERE milestone_id ="
        " (SELECT min(milestone_id::text)::uuid FROM milestones) RETURNING milestone_id",
        "readable",
        named_by=("milestone_id",),
    ),
    "the last position is gone": crime(
        "DELETE FROM positions WHERE position = (SELECT max(position) FROM positions)"
        " RETURNING position",
        "sequence",
        named_by=("position",),
    ),
    "an operation has another's position": crime(
        "WITH two AS (SELECT o.escrow_id, min(p.position) AS one, max(p.position) AS other"
        " FROM positions AS p JOIN operations AS o USING (tenant_id, operation_id)"
        " WHERE o.escrow_version IN (1, 2) GROUP BY o.escrow_id"
        " ORDER BY o.escrow_id LIMIT 1), gone AS ("
        " DELETE FROM positions USING two WHERE position IN (one, other)"
        " RETURNING tenant_id, position, operation_id, sealed_at, escrow_id, one, other),"
        " wrote AS (INSERT INTO positions SELECT tenant_id, one + other - position, operation_id,"
        " sealed_at FROM gone ORDER BY 1) SELECT escrow_id FROM gone LIMIT 1",
        "sequence of escrows",
        named_by=("escrow_id",),
    ),
    "an event says that it was applied": crime(
        "UPDATE stripe_events SET state = 'PROCESSED' WHERE event_id ="
        " (SELECT min(event_id) FROM stripe_events WHERE state = 'IGNORED') RETURNING event_id",
        "events",
        named_by=("event_id",),
    ),
}


@pytest.mark.parametrize("name", CRIMES)
async def test_a_crime_is_seen_and_its_row_is_named(books: Database, name: str) -> None:
    done = CRIMES[name]
    hit = await spoil(books, done.done)

    report = await verify(books)

    seen = {check.name: check.breaches for check in report.checks if check.breaches}
    assert set(seen) == done.seen_by, seen
    assert not report.clean
    shown = json.dumps(list(seen.values()), default=str)
    for column in done.named_by:
        assert str(hit[column]).replace("-", "") in shown.replace("-", "")
    if "currency" not in done.named_by:  # that names the books of one currency
        assert any(len(breaches) == 1 for breaches in seen.values())


async def test_a_role_that_may_change_the_books_is_seen(books: Database) -> None:
    async with connected(books.owner_dsn) as owner:
        await owner.execute("GRANT DELETE ON journals TO escrow_service")

    report = await verify(books)

    (check,) = [check for check in report.checks if check.breaches]
    assert check.name == "I9 append-only"
    assert check.breaches == [
        {"role": role, "name": "journals", "privilege": "DELETE"}
        for role in ("escrow_service", "escrow_worker")  # who may do what the service may
    ]


def test_every_check_is_proven_able_to_fail() -> None:
    seen = set().union(*(done.seen_by for done in CRIMES.values())) | {"I9 append-only"}
    assert seen == {check.name for check in CHECKS} | {"postings", "balances"}


async def test_the_service_itself_cannot_commit_these_crimes(books: Database) -> None:
    async with connected(books.service_dsn) as service:
        for table in ("journals", "entries", "operations", "line_items", "balance_transactions"):
            for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET tenant_id = 'x'"):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await service.execute(statement)


@pytest.mark.parametrize("spoiled", [False, True])
async def test_an_operator_is_told_by_the_exit_status(books: Database, *, spoiled: bool) -> None:
    hit = await spoil(books, CRIMES["a balance is changed"].done) if spoiled else {}

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "service", "verify"),
        env=os.environ | {"ESCROW_AUTH": "development", "ESCROW_DATABASE_URL": books.reader_dsn},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()

    assert process.returncode == (1 if spoiled else 0), output
    for check in CHECKS:
        assert check.name in output
    assert ("balances: " in output) is spoiled
    if spoiled:
        assert hit["account"] in output
