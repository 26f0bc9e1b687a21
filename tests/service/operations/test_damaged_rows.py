"""Whatever a row holds that SQL can hold: it fails no list, no journal and no verification.

Every column of every table is spoiled in every way that its type leaves open, as the owner of the
database, without a constraint or a trigger in the way. What cannot be shown is named in its list,
logged, and a breach for `escrow verify`.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO

import asyncpg
import grpc
import pytest
from google.protobuf.message import Message
from rich.console import Console
from structlog.testing import capture_logs

from escrow.v1 import approval_service_pb2 as approval_pb
from escrow.v1 import chargeback_service_pb2 as chargeback_pb
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import policy_service_pb2 as policy_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.cli.balances import balances_table
from service.ledger_tables import journals_table, trial_balance_table
from service.migrations import MIGRATIONS
from service.operations.operators.verify_books import Report, verify_books
from service.store.balances import balances_as_of
from service.store.journals import latest_journals
from service.store.trial_balance import trial_balance
from service.store.unreadable import Unreadable
from tests.depth import deeper
from tests.postgres import Server, migrated_database
from tests.service.operations.approvals.waiting import held_refund
from tests.service.operations.catalogue import EVERY_REQUEST
from tests.service.operations.marketplace import TENANT, Marketplace, open_marketplace
from tests.service.operations.policies.catalogue import harmless
from tests.service.operations.policies.policies import apply
from tests.service.operations.test_verify_books import tell_it_all

WRONG = {
    "text": ("[/nonsense] {0} %s 🦊",),
    "timestamp with time zone": ("infinity", "-infinity", "0044-03-15 BC", "10000-01-01"),
    "jsonb": ("null", "7", "[[1, 2, 3]]", '{"a": {"b": null}}', "[" * 2_000 + "]" * 2_000),
    "bigint": (str(2**63 - 1), str(-(2**63))),
    "integer": (str(-(2**31)),),
    "smallint": (str(-(2**15)),),
    "numeric": ("NaN", "1e300"),
    "uuid": ("ffffffff-ffff-ffff-ffff-fffffffffffe",),
    "bytea": ("\\x00ff",),
    "boolean": ("true",),
}
TABLES = re.findall(r"CREATE TABLE public\.(\w+)", (MIGRATIONS / "schema.sql").read_text())
COLUMNS = """
SELECT attname, format_type(atttypid, NULL) FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u')
ORDER BY contype <> 'f'"""
EMPTY = {
    "chargeback_evidence",
    "dispute_evidence",
    "dispute_files",
    "origins",
    "closings",
    "sealings",
    "effect_attempts",
    "previous_accounts",
    "undecided_transactions",
}
"""Tables without a row here, or of which nothing is shown."""


def wrong(type_: str, number: int) -> Sequence[str]:
    """What a column is spoiled with. Usually one value: the next column of the type has another."""
    values = WRONG[type_]
    return deeper([values[number % len(values)]], values)


async def columns_of(market: Marketplace, table: str) -> list[tuple[int, str, str]]:
    """The number, name and type of each column; in `make test` of five at most of each type, from
    the first to the last.
    """
    of_type: dict[str, list[tuple[int, str, str]]] = {}
    for number, (column, type_) in enumerate(await market.owner.fetch(COLUMNS, table)):
        of_type.setdefault(type_, []).append((number, column, type_))
    most = deeper(5, 1_000)
    spread = (same[place * len(same) // most] for same in of_type.values() for place in range(most))
    return sorted(set(spread))


@dataclass
class Seen:
    """What the lists show and what they only name, and what `escrow verify` says."""

    shown: dict[str, Message] = field(default_factory=dict)
    named: list[str] = field(default_factory=list)
    report: Report = field(default_factory=Report)


async def remove_guards(market: Marketplace) -> None:
    """No trigger and no constraint keeps a row from being spoiled any more."""
    await market.owner.execute("SET session_replication_role = replica")
    for table, constraint in await market.owner.fetch(CONSTRAINTS):
        await market.owner.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")


@pytest.fixture(scope="module")
async def damaged(
    postgres_server: Server, template_database: str, sandbox_url: str
) -> AsyncIterator[Marketplace]:
    """Everything has happened, and nothing keeps a row from being spoiled any more."""
    async with (
        migrated_database(postgres_server, template_database) as database,
        open_marketplace(database, sandbox_url) as market,
    ):
        await tell_it_all(market)
        created = await EVERY_REQUEST["CreateEscrow"](market)  # with metadata and line items
        await market.service.escrows.CreateEscrow(created.request)
        await apply(market, harmless())
        await held_refund(market)
        await market.owner.execute("UPDATE escrows SET quoted_currency = 'EUR', quoted_rate = 0.9")
        await remove_guards(market)
        yield market


@asynccontextmanager
async def spoiled(
    market: Marketplace, table: str, column: str, type_: str, value: str
) -> AsyncIterator[bool]:
    """The newest row holds this value inside; False when PostgreSQL does not take it."""
    which = "WHERE escrow_version IS NOT NULL" if table == "operations" else ""  # is in a timeline
    newest = f"SELECT ctid::text, {column}::text FROM {table} {which} ORDER BY ctid DESC LIMIT 1"
    ctid, before = await market.owner.fetchrow(newest) or pytest.fail(f"no row in {table}")
    update = (
        f"UPDATE {table} SET {column} = $1::text::{type_}"
        " WHERE ctid = $2::text::tid RETURNING ctid::text"
    )
    try:
        ctid = await market.owner.fetchval(update, value, ctid)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.StatementTooComplexError):
        yield False
        return
    try:
        yield True
    finally:
        await market.owner.execute(update, before, ctid)


async def look(market: Marketplace, before: Seen | None = None, *, of_each: bool = True) -> Seen:
    """Reads all that there is to read, with ``of_each`` also that of every escrow and payee that
    there was before.
    """
    seen = Seen()
    listed = await market.service.escrows.ListEscrows(pb.ListEscrowsRequest(page_size=200))
    seen.shown |= {escrow.id: escrow for escrow in listed.escrows}
    seen.named += listed.unreadable
    known = before or seen
    escrows = [each for each in known.shown.values() if of_each and isinstance(each, pb.Escrow)]
    for escrow in escrows:
        request = pb.ListTimelineRequest(escrow_id=escrow.id, page_size=500)
        try:
            timeline = await market.service.escrows.ListTimeline(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                continue  # its only operation names another escrow now
            raise
        seen.shown |= {f"{escrow.id}/{entry.version}": entry for entry in timeline.entries}
        seen.named += [f"{escrow.id}/{version}" for version in timeline.unreadable]
    for payee_id in {escrow.payee_id for escrow in escrows}:
        payouts = await market.service.parties.ListPayouts(
            party_pb.ListPayoutsRequest(payee_id=payee_id)
        )
        seen.shown |= {payout.id: payout for payout in payouts.payouts}
        seen.named += payouts.unreadable
    service = market.service
    refunds = await service.refunds.ListRefunds(refund_pb.ListRefundsRequest(page_size=200))
    auditor = market.client("operator", role="auditor")
    owed = await auditor.refunds.ListReceivables(refund_pb.ListReceivablesRequest(page_size=200))
    held = await auditor.approvals.ListApprovals(approval_pb.ListApprovalsRequest())
    disputed = await auditor.chargebacks.ListChargebacks(chargeback_pb.ListChargebacksRequest())
    argued = await service.disputes.ListDisputes(dispute_pb.ListDisputesRequest())
    payments = await service.escrows.ListPayments(pb.ListPaymentsRequest(page_size=200))
    payers = await service.parties.ListPayers(party_pb.ListPayersRequest(page_size=200))
    payees = await service.parties.ListPayees(party_pb.ListPayeesRequest(page_size=200))
    for page, items in (
        (payments, payments.payments),
        (payers, payers.payers),
        (payees, payees.payees),
        (refunds, refunds.refunds),
        (owed, owed.receivables),
        (held, held.approvals),
        (disputed, disputed.chargebacks),
        (argued, argued.disputes),
    ):
        seen.shown |= {item.id: item for item in items}
        seen.named += page.unreadable
    operator = market.client("operator", role="operator")
    policies = await operator.policies.ListPolicyVersions(policy_pb.ListPolicyVersionsRequest())
    seen.shown |= {str(version.policy_version): version for version in policies.versions}
    seen.named += policies.unreadable
    seen.report = await verify_books(market.running.runtime.pool)
    return seen


async def look_at_the_books(market: Marketplace) -> list[str]:
    """What `escrow journals` and `escrow balances` print; the ids of what is only named."""
    pool = market.running.runtime.pool
    journals = await latest_journals(pool, TENANT, limit=1_000)
    readable = [journal for journal in journals if not isinstance(journal, Unreadable)]
    balances = await trial_balance(pool, TENANT)
    PAPER.print(journals_table(readable), trial_balance_table(balances))
    accounts = {entry.account for journal in readable for entry in journal.entries}
    PAPER.print(balances_table(await balances_as_of(pool, TENANT, accounts)))
    return [each.key.hex for each in journals if isinstance(each, Unreadable)]


PAPER = Console(file=StringIO(), width=140)


BOOKS = ("balance_snapshots", "balances", "entries", "journals")


@pytest.mark.parametrize("table", BOOKS)
async def test_the_books_are_shown_whatever_a_row_holds(damaged: Marketplace, table: str) -> None:
    named = 0
    for number, column, type_ in await columns_of(damaged, table):
        # Only some of the values hide a journal.
        for value in WRONG[type_] if table == "journals" else wrong(type_, number):
            async with spoiled(damaged, table, column, type_, value) as holds:
                if not holds:
                    continue
                unreadable = await look_at_the_books(damaged)
                named += len(unreadable)
                report = await verify_books(damaged.running.runtime.pool)
                assert not (unreadable and report.clean), (column, value)
    assert await look_at_the_books(damaged) == []
    assert bool(named) is (table == "journals")


@pytest.mark.parametrize("table", sorted({*TABLES} - {*BOOKS} - EMPTY))
async def test_a_damaged_row_is_named_and_fails_no_other(damaged: Marketplace, table: str) -> None:
    of_each = deeper(table in SHOWN_OF_EACH, True)
    before = await look(damaged, of_each=of_each)
    assert before.report.clean
    assert before.named == []
    named = set()

    for number, column, type_ in await columns_of(damaged, table):
        is_key = type_ == "uuid" or column in ("tenant_id", "escrow_version")
        is_key |= (table, column) == ("policies", "policy_version")
        for value in wrong(type_, number):
            async with spoiled(damaged, table, column, type_, value) as holds:
                if not holds:
                    continue
                with capture_logs() as logs:
                    seen = await look(damaged, before, of_each=of_each)
            what = f"{table}.{column} = {value[:40]}"
            named |= {*seen.named}
            errors = [line for line in logs if line["event"] == "row unreadable"]
            assert len(errors) == len(seen.named), what
            assert all(line["log_level"] == "error" for line in errors)
            if not is_key:  # what belongs together is held by foreign keys
                assert not (seen.named and seen.report.clean), what
                assert before.shown.keys() <= seen.shown.keys() | {*seen.named}, what
            # The others are as they were: the damage is of one escrow, or of one party.
            same = [key for key, shown in before.shown.items() if seen.shown.get(key) == shown]
            assert len(same) > len(before.shown) / 2, what
    assert bool(named) is (table in SHOWN)
    assert (await look(damaged, of_each=of_each)).shown == before.shown


SHOWN_OF_EACH = {"escrows", "operations", "payees", "payouts"}
# Of a line item every value can be shown, and the others are in no list.
SHOWN = {"escrows", "freezes", "milestones", "operations", "payees", "payers", "payments"} | {
    *("payouts", "policies", "releases", "refunds", "refund_parts", "receivables", "deadlines"),
    "proposals",
    *("approvals", "chargebacks", "milestone_payees", "disputes"),
}
