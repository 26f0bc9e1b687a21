"""Escrows that were paid for, written straight into the database, and how each is named.

The row with number n of a kind has the id ``NAMES[kind]`` followed by n, so that a load generator
or pgbench knows it without asking. Ids grow with n, as UUIDv7 do with time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from service.migrations import load_migrations, up

ONE_TENANT = "default"  # has every escrow that is not spread over many tenants
SQL_ONE_TENANT = f"'{ONE_TENANT}'"
PAYEES = 500
NAMES = {
    "payer": "01930001",
    "payee": "01930002",
    "escrow": "01930003",
    "milestone": "01930004",
    "payment": "01930005",
    "operation": "01930006",
    "deadline": "01930007",
}
FIRST_JOURNAL_AT = datetime(2025, 1, 1, tzinfo=UTC)
_FIRST_JOURNAL_MS = int(FIRST_JOURNAL_AT.timestamp() * 1000)
ENTRIES_PER_ESCROW = 3
BUSY_ACCOUNT = "asset:stripe_unsettled"  # every escrow has an entry of it
AMOUNT_MINOR, PAYER_FEE_MINOR, PAYEE_FEE_MINOR = 100_00, 5_00, 20_00
PAID_MINOR = AMOUNT_MINOR + PAYER_FEE_MINOR
ESCROWS_PER_TRANSACTION = 20_000  # the largest database has 1,700,000
STEP_TIMEOUT_S = 600


def number(kind: str, n: int) -> UUID:
    """The UUID of row n of a kind."""
    return UUID(f"{NAMES[kind]}-0000-7000-8000-{n:012x}")


def sql_id(kind: str, n: str) -> str:
    """As ``number``, as an SQL expression of the expression n."""
    return f"('{NAMES[kind]}-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"


def journal_moment(n: int) -> datetime:
    """When journal n was booked: one is booked every millisecond."""
    return FIRST_JOURNAL_AT + timedelta(milliseconds=n)


def sql_journal(n: str) -> str:
    """The id of journal n, as an SQL expression: a UUIDv7 of its moment."""
    moment = f"lpad(to_hex({_FIRST_JOURNAL_MS} + {n}), 12, '0')"
    return f"({moment} || '70008000' || lpad(to_hex({n}), 12, '0'))::uuid"


def _hex(kind: str, n: str) -> str:
    return f"'{NAMES[kind]}000070008000' || lpad(to_hex({n}), 12, '0')"


def sql_account(part: str, n: str) -> str:
    """The account of milestone n that holds its money, or its fee, as an SQL expression."""
    return f"'liab:escrow:mst_' || {_hex('milestone', n)} || ':{part}'"


def sql_payable(n: str) -> str:
    """The payable account of payee n, as an SQL expression."""
    return f"'liab:payee:pye_' || {_hex('payee', n)} || ':payable'"


def sql_parties(tenant: str) -> str:
    """Writes the payers and payees n, each of the tenant that an SQL expression of n names."""
    return f"""
INSERT INTO payers SELECT {tenant}, {sql_id("payer", "n")}, 1, 'payer-' || n, 'Ann Payer',
    'ann@example.com', 'cus_' || n, now(), now() FROM generate_series(0, {PAYEES - 1}) AS n;
INSERT INTO payees SELECT {tenant}, {sql_id("payee", "n")}, 1, 'payee-' || n, 'Bob Payee',
    'bob@example.com', 'US', 'V2', 'ACTIVE', 'acct_' || n, '[]', now(), now()
FROM generate_series(0, {PAYEES - 1}) AS n;
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far an escrow of one milestone has come. ``charge``, and the ``settlement`` (a balance
    transaction and its fee), are SQL expressions.
    """

    escrow: str
    milestone: str
    funded_minor: int
    payment: str
    charge: str
    settlement: str
    booked: bool


AWAITING_PAYMENT = Stage(
    *("AWAITING_FUNDS", "AWAITING_FUNDS", 0, "REQUIRES_PAYMENT_METHOD", "NULL", "NULL, NULL"),
    booked=False,
)
# Confirmed by Stripe's API, as money is before it leaves.
FUNDED = Stage(
    *("ACTIVE", "FUNDED", AMOUNT_MINOR, "SUCCEEDED", "'ch_' || n", "'txn_' || n, 335"), booked=True
)


def _escrows(stage: Stage, series: str, payees: int, tenant: str) -> str:
    """What CreateEscrow and FundEscrow leave behind, less their requests."""
    return f"""
INSERT INTO escrows SELECT {tenant}, {sql_id("escrow", "n")}, 1, 'order-' || n,
    {sql_id("payer", f"n % {PAYEES}")}, {sql_id("payee", f"n % {payees}")}, 'USD',
    '{stage.escrow}', 1, '{{}}', now(), now() FROM {series};
INSERT INTO milestones SELECT {tenant}, {sql_id("escrow", "n")}, {sql_id("milestone", "n")}, 0,
    'All of it', '{stage.milestone}', {AMOUNT_MINOR}, {PAYER_FEE_MINOR}, {PAYEE_FEE_MINOR},
    {stage.funded_minor}, 0, 0, 0, 0, {sql_id("payment", "n")} FROM {series};
INSERT INTO payments SELECT {tenant}, {sql_id("payment", "n")}, {sql_id("escrow", "n")},
    {sql_id("payer", f"n % {PAYEES}")}, 'PAYMENT_INTENT', 'AUTOMATIC', {PAID_MINOR}, 'USD',
    '{stage.payment}', now(), now(), 'pi_' || n, NULL, {stage.charge}, {stage.settlement}
FROM {series};
INSERT INTO operations SELECT {tenant}, {sql_id("operation", "n")}, 'apply_stripe_event',
    'stripe', 'stripe', 'evt_' || n, '', NULL, {sql_id("escrow", "n")}, 1, '[]', '', '', now()
FROM {series};
"""


def _books(series: str, tenant: str) -> str:
    """What the event of the payment did to the books, and what runs against time since."""
    return f"""
INSERT INTO deadlines SELECT {tenant}, {sql_id("escrow", "n")}, {sql_id("deadline", "n")},
    {sql_id("milestone", "n")}, 'HOLD_LIMIT', now(), now() + interval '730 days',
    now() + interval '547 days', 0, 0 FROM {series};
INSERT INTO journals SELECT {tenant}, {sql_journal("n")}, 'payment_succeeded', 'payment',
    'pay_' || n, 'USD', {sql_id("escrow", "n")}, {sql_id("operation", "n")}, now(), now()
FROM {series};
INSERT INTO entries SELECT {tenant}, {sql_journal("n")}, line, 'platform', account, 'USD',
    amount_minor
FROM {series}, LATERAL (VALUES
    (1, '{BUSY_ACCOUNT}', {PAID_MINOR}),
    (2, {sql_account("held", "n")}, -{AMOUNT_MINOR}),
    (3, {sql_account("fee_held", "n")}, -{PAYER_FEE_MINOR})
) AS entry (line, account, amount_minor);
INSERT INTO balances SELECT {tenant}, account, 'USD', balance_minor
FROM {series}, LATERAL (VALUES
    ({sql_account("held", "n")}, {AMOUNT_MINOR}),
    ({sql_account("fee_held", "n")}, {PAYER_FEE_MINOR})
) AS balance (account, balance_minor);
"""


async def prepare_database(owner: asyncpg.Connection) -> None:
    """Migrates an empty database, and writes the parties."""
    await up(owner, load_migrations())
    await owner.execute(sql_parties(SQL_ONE_TENANT))


async def add_escrows(
    owner: asyncpg.Connection,
    stage: Stage,
    first: int,
    count: int,
    *,
    payees: int = PAYEES,
    tenant: str = SQL_ONE_TENANT,
) -> AsyncIterator[int]:
    """Writes the escrows first, first + 1, ..., each for payee n % ``payees`` and the tenant that
    ``tenant``, an SQL expression of n, names.

    Commits in steps, and yields after each how many escrows are written.
    """
    for begin in range(first, first + count, ESCROWS_PER_TRANSACTION):
        end = min(begin + ESCROWS_PER_TRANSACTION, first + count)
        series = f"generate_series({begin}, {end - 1}) AS n"
        async with owner.transaction():
            # Foreign keys and the zero-sum trigger would check rows that are known to be right.
            await owner.execute("SET LOCAL session_replication_role = replica")
            await owner.execute(_escrows(stage, series, payees, tenant), timeout=STEP_TIMEOUT_S)
            if stage.booked:
                await owner.execute(_books(series, tenant), timeout=STEP_TIMEOUT_S)
        yield end - first
