"""Escrows with everything below them: loaded for a change, read, listed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import asyncpg

from service.domain.records.effect import Effect
from service.domain.records.escrow import Escrow
from service.domain.records.parties import Payee, Payer
from service.domain.records.receivable import Receivable
from service.domain.unit import UnitOfWork
from service.store.lists import CREATED_AT, Listing
from service.store.operations import ANSWERED, KEY, answer_replay, key_arguments
from service.store.pool import ServicePool
from service.store.rows import from_row, typed
from service.store.shared_loads import IN_ORDER, asked
from service.store.tables import CHILDREN, EscrowRecords, Table

# How an escrow is named: its id, or what finds it, in the column ``name`` of who asks.
BY_ESCROW = "q.name"
BY_PAYMENT = (
    "(SELECT p.escrow_id FROM payments AS p"
    " WHERE p.tenant_id = q.tenant_id AND p.payment_id = q.name)"
)
BY_PAYMENT_INTENT = (
    "(SELECT p.escrow_id FROM payments AS p"
    " WHERE p.tenant_id = q.tenant_id AND p.stripe_payment_intent = q.name)"
)
BY_REFUND = (
    "(SELECT r.escrow_id FROM refunds AS r"
    " WHERE r.tenant_id = q.tenant_id AND r.refund_id = q.name)"
)
BY_RECEIVABLE = (
    "(SELECT d.escrow_id FROM receivables AS d"
    " WHERE d.tenant_id = q.tenant_id AND d.receivable_id = q.name)"
)
BY_CHARGEBACK = (
    "(SELECT c.escrow_id FROM chargebacks AS c"
    " WHERE c.tenant_id = q.tenant_id AND c.chargeback_id = q.name)"
)
NAME_TYPE = {
    BY_ESCROW: "uuid",
    BY_PAYMENT: "uuid",
    BY_PAYMENT_INTENT: "text",
    BY_REFUND: "uuid",
    BY_RECEIVABLE: "uuid",
    BY_CHARGEBACK: "uuid",
}


VERSIONS = """\
SELECT e.tenant_id, e.escrow_id, e.version
FROM unnest($1::text[], $2::uuid[]) AS w (tenant_id, escrow_id)
JOIN escrows AS e ON e.tenant_id = w.tenant_id AND e.escrow_id = w.escrow_id"""


def _child(table: Table, escrow: str) -> str:
    order = ", ".join(f"c.{column}" for column in table.order.split(", "))
    return f"""\
    ARRAY(SELECT {typed(table.record, "c")} FROM {table.name} AS c
        WHERE c.tenant_id = {escrow}.tenant_id AND c.escrow_id = {escrow}.escrow_id
        ORDER BY {order}) AS {table.name},"""


def _other_payees(escrow: str) -> str:
    """The payees of parts of its milestones, each as often as they have one."""
    return f"""SELECT p.payee_id FROM milestone_payees AS p
            WHERE p.tenant_id = {escrow}.tenant_id AND p.escrow_id = {escrow}.escrow_id
            AND p.payee_id <> {escrow}.payee_id"""


def _aggregate(escrow: str) -> str:
    """An escrow, which the statement calls so, with everything below it."""
    children = "\n".join(_child(table, escrow) for table in CHILDREN)
    return f"""\
    {typed(Escrow, escrow)} AS escrow,
{children}
    ARRAY(SELECT {typed(Receivable, "d")} FROM receivables AS d
        WHERE d.tenant_id = {escrow}.tenant_id AND d.payee_id = ANY(
            ARRAY(SELECT {escrow}.payee_id UNION ALL {_other_payees(escrow)})
        )
        AND d.state <> 'SETTLED'
        ORDER BY d.receivable_id) AS receivables,
    (SELECT {typed(Payer, "y")} FROM payers AS y
        WHERE y.tenant_id = {escrow}.tenant_id AND y.payer_id = {escrow}.payer_id) AS payer,
    (SELECT {typed(Payee, "z")} FROM payees AS z
        WHERE z.tenant_id = {escrow}.tenant_id AND z.payee_id = {escrow}.payee_id) AS payee,
    ARRAY(SELECT {typed(Payee, "z")} FROM payees AS z
        WHERE z.tenant_id = {escrow}.tenant_id AND z.payee_id = ANY(
            ARRAY({_other_payees(escrow)})
        )) AS other_payees"""


EFFECT = f"""\
    (SELECT {typed(Effect, "f")} FROM effects AS f
        WHERE f.tenant_id = q.tenant_id AND f.effect_id = q.effect_id) AS effect"""


def found_by(by: str) -> str:
    """The escrow of each load, with everything below it, in the order of the loads: ``found.*``."""
    return f"""\
LEFT JOIN LATERAL (
    SELECT e.escrow_id AS found_id,
{_aggregate("e")}
    FROM escrows AS e WHERE e.tenant_id = q.tenant_id AND e.escrow_id = {by}
) AS found ON true
{IN_ORDER}"""


LOAD = {
    by: f"""\
SELECT {ANSWERED}, found.*,
{EFFECT}
FROM {asked(KEY | {"name": kind, "effect_id": "uuid"})}
{found_by(by)}"""
    for by, kind in NAME_TYPE.items()
}
FIND = {
    by: f"""\
SELECT found.*
FROM {asked({"tenant_id": "text", "name": NAME_TYPE[by]})}
{found_by(by)}"""
    for by in (BY_ESCROW, BY_PAYMENT, BY_REFUND)
}
KNOWS_INTENT = """\
SELECT EXISTS (
    SELECT 1 FROM payments AS p WHERE p.tenant_id = $1 AND p.stripe_payment_intent = $2
)"""


def records_of(row: asyncpg.Record) -> EscrowRecords:
    """Of a row with ``found.*``."""
    children: dict[str, Any] = {
        table.name: [from_row(table.record, child) for child in row[table.name]]
        for table in CHILDREN
    }
    return EscrowRecords(
        escrow=from_row(Escrow, row["escrow"]),
        payer=from_row(Payer, row["payer"]),
        payee=from_row(Payee, row["payee"]),
        other_payees=[from_row(Payee, each) for each in row["other_payees"]],
        receivables=[from_row(Receivable, each) for each in row["receivables"]],
        **children,
    )


async def _load(
    pool: ServicePool, unit: UnitOfWork, by: str, name: UUID | str, effect_id: UUID | None
) -> asyncpg.Record:
    row = await pool.loads.row(LOAD[by], *key_arguments(unit), name, effect_id)
    answer_replay(unit, row["answered"])
    return row


async def load_escrow(
    pool: ServicePool,
    unit: UnitOfWork,
    name: UUID | str,
    *,
    by: str = BY_ESCROW,
    effect_id: UUID | None = None,
) -> EscrowRecords | None:
    """Loads what an operation decides on, and whether it was done before, when it is its turn: one
    shared round trip.

    ``name`` is what ``by`` says: the id of the escrow or of one of its payments, or the Stripe id
    of a payment's intent. None when there is no such escrow.

    Raises:
        Answered, RequestIdReused: see ``answer_replay``.
        Overloaded, DeadlineExpired: see ``Turns.take``.
    """
    if by == BY_ESCROW:
        await pool.turns.take(unit, name)
    row = await _load(pool, unit, by, name, effect_id)
    if by != BY_ESCROW and row["found_id"] and await pool.turns.take(unit, row["found_id"]):
        row = await _load(pool, unit, by, name, effect_id)  # others had their turn meanwhile
    if row["found_id"] is None:
        return None
    records = records_of(row)
    records.effect = from_row(Effect, row["effect"]) if row["effect"] else None
    return records


async def find_escrow(
    pool: ServicePool, tenant_id: str, name: UUID, *, by: str = BY_ESCROW
) -> EscrowRecords | None:
    row = await pool.loads.row(FIND[by], tenant_id, name)
    return records_of(row) if row["found_id"] else None


async def find_versions(
    pool: asyncpg.Pool, escrows: Collection[tuple[str, UUID]]
) -> dict[tuple[str, UUID], int]:
    """The versions that escrows have now, by tenant and id; those that there are."""
    rows = await pool.fetch(VERSIONS, [each[0] for each in escrows], [each[1] for each in escrows])
    return {(row[0], row[1]): row[2] for row in rows}


async def is_intent_of_ours(pool: asyncpg.Pool, tenant_id: str, payment_intent: str) -> bool:
    """Whether a payment of ours has this payment intent."""
    return bool(await pool.fetchval(KNOWS_INTENT, tenant_id, payment_intent))


ESCROWS = Listing(
    "escrows",
    "escrow_id",
    _aggregate("t"),
    records_of,
    {
        "payer_id": "uuid",
        "payee_id": "uuid",
        "part_payee_id": "uuid",
        "reference": "text",
        "state": "text",
        "currency": "text",
        CREATED_AT: "timestamptz",
    },
    {
        "part_payee_id": """\
t.escrow_id = ANY(ARRAY(SELECT p.escrow_id FROM milestone_payees AS p
    WHERE p.tenant_id = t.tenant_id AND p.payee_id = {value}))""",
    },
)
