"""Escrows that were paid for, written straight into the database, and how each is named.

The row with number n of a kind has the id ``NAMES[kind]`` followed by n, so that a load generator
or pgbench knows it without asking. Ids grow with n, as UUIDv7 do with time.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg

from service.migrations import load_migrations, up

PAYEES = 500
NAMES = {
    "payer": "01930001",
    "payee": "01930002",
    "escrow": "01930003",
    "milestone": "01930004",
    "payment": "01930005",
    "operation": "01930006",
    "journal": "01930007",
}
ENTRIES_PER_ESCROW = 3
AMOUNT_MINOR, PAYER_FEE_MINOR, PAYEE_FEE_MINOR = 100_00, 5_00, 20_00


def number(kind: str, n: int) -> UUID:
    """The UUID of row n of a kind."""
    return UUID(f"{NAMES[kind]}-0000-7000-8000-{n:012x}")


def sql_id(kind: str, n: str) -> str:
    """As ``number``, as an SQL expression of the expression n."""
    return f"('{NAMES[kind]}-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid"


def _hex(kind: str, n: str) -> str:
    return f"'{NAMES[kind]}000070008000' || lpad(to_hex({n}), 12, '0')"


def sql_account(part: str, n: str) -> str:
    """The account of milestone n that holds its money, or its fee, as an SQL expression."""
    return f"'liab:escrow:mst_' || {_hex('milestone', n)} || ':{part}'"


def sql_payable(n: str) -> str:
    """The payable account of payee n, as an SQL expression."""
    return f"'liab:payee:pye_' || {_hex('payee', n)} || ':payable'"


PARTIES = f"""
INSERT INTO payers SELECT 'default', {sql_id("payer", "n")}, 1, 'payer-' || n, 'Ann Payer',
    'ann@example.com', 'cus_' || n, now(), now() FROM generate_series(0, {PAYEES - 1}) AS n;
INSERT INTO payees SELECT 'default', {sql_id("payee", "n")}, 1, 'payee-' || n, 'Bob Payee',
    'bob@example.com', 'US', 'V2', 'ACTIVE', 'acct_' || n, '[]', now(), now()
FROM generate_series(0, {PAYEES - 1}) AS n;
"""

# What CreateEscrow, FundEscrow and the event of the payment leave behind, less their requests.
FUNDED = f"""
INSERT INTO escrows SELECT 'default', {sql_id("escrow", "n")}, 1, 'order-' || n,
    {sql_id("payer", f"n % {PAYEES}")}, {sql_id("payee", "n % {payees}")}, 'USD', 'ACTIVE', 1,
    '{{{{}}}}', now(), now() FROM generate_series({{first}}, {{last}}) AS n;
INSERT INTO milestones SELECT 'default', {sql_id("escrow", "n")}, {sql_id("milestone", "n")}, 0,
    'All of it', 'FUNDED', {AMOUNT_MINOR}, {PAYER_FEE_MINOR}, {PAYEE_FEE_MINOR}, {AMOUNT_MINOR},
    0, 0, 0, 0, {sql_id("payment", "n")} FROM generate_series({{first}}, {{last}}) AS n;
INSERT INTO payments SELECT 'default', {sql_id("payment", "n")}, {sql_id("escrow", "n")},
    {sql_id("payer", f"n % {PAYEES}")}, 'PAYMENT_INTENT', 'AUTOMATIC',
    {AMOUNT_MINOR + PAYER_FEE_MINOR}, 'USD', 'SUCCEEDED', now(), now(), 'pi_' || n, NULL,
    'ch_' || n, NULL, NULL FROM generate_series({{first}}, {{last}}) AS n;
INSERT INTO operations SELECT 'default', {sql_id("operation", "n")}, 'apply_stripe_event',
    'stripe', 'stripe', 'evt_' || n, '', NULL, {sql_id("escrow", "n")}, 1, '[]', '', '', now()
FROM generate_series({{first}}, {{last}}) AS n;
INSERT INTO journals SELECT 'default', {sql_id("journal", "n")}, 'payment_succeeded', 'payment',
    'pay_' || n, 'USD', {sql_id("escrow", "n")}, {sql_id("operation", "n")}, now(), now()
FROM generate_series({{first}}, {{last}}) AS n;
INSERT INTO entries SELECT 'default', {sql_id("journal", "n")}, line, 'platform', account, 'USD',
    amount_minor
FROM generate_series({{first}}, {{last}}) AS n, LATERAL (VALUES
    (1, 'asset:stripe_unsettled', {AMOUNT_MINOR + PAYER_FEE_MINOR}),
    (2, {sql_account("held", "n")}, -{AMOUNT_MINOR}),
    (3, {sql_account("fee_held", "n")}, -{PAYER_FEE_MINOR})
) AS entry (line, account, amount_minor);
INSERT INTO balances SELECT 'default', account, 'USD', balance_minor
FROM generate_series({{first}}, {{last}}) AS n, LATERAL (VALUES
    ({sql_account("held", "n")}, {AMOUNT_MINOR}),
    ({sql_account("fee_held", "n")}, {PAYER_FEE_MINOR})
) AS balance (account, balance_minor);
"""


async def prepare_database(admin_dsn: str, name: str, dsn: str) -> None:
    """A migrated database with the parties in it."""
    admin = await asyncpg.connect(admin_dsn, ssl=False)
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    finally:
        await admin.close()
    owner = await asyncpg.connect(dsn, ssl=False)
    try:
        await up(owner, load_migrations())
        await owner.execute(PARTIES)
    finally:
        await owner.close()


async def fund_escrows(owner: asyncpg.Connection, first: int, count: int, payees: int) -> None:
    """Writes the escrows first, first + 1, ..., each for payee n % ``payees``."""
    # Foreign keys and the zero-sum trigger would check a million rows that we know to be right.
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        statements = FUNDED.format(first=first, last=first + count - 1, payees=payees)
        await owner.execute(statements, timeout=3600)
