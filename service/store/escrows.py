"""Escrows with everything below them: loaded for a change, read, listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from service.domain.model import (
    Effect,
    Escrow,
    LineItem,
    Milestone,
    Payee,
    Payer,
    Payment,
    Release,
)
from service.domain.unit import UnitOfWork
from service.store.operations import ANSWERED, KEY, key_arguments, refuse_twins
from service.store.pool import ServicePool
from service.store.rows import NO_ID_YET, from_row, select_list
from service.store.shared_loads import IN_ORDER, asked

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
NAME_TYPE = {BY_ESCROW: "uuid", BY_PAYMENT: "uuid", BY_PAYMENT_INTENT: "text"}

AGGREGATE = f"""\
    ROW({select_list(Escrow, "e")}) AS escrow,
    ARRAY(SELECT ROW({select_list(Milestone, "m")}) FROM milestones AS m
        WHERE m.tenant_id = e.tenant_id AND m.escrow_id = e.escrow_id
        ORDER BY m.position) AS milestones,
    ARRAY(SELECT ROW({select_list(LineItem, "i")}) FROM line_items AS i
        WHERE i.tenant_id = e.tenant_id AND i.escrow_id = e.escrow_id
        ORDER BY i.milestone_id, i.position) AS line_items,
    ARRAY(SELECT ROW({select_list(Payment, "p")}) FROM payments AS p
        WHERE p.tenant_id = e.tenant_id AND p.escrow_id = e.escrow_id
        ORDER BY p.payment_id) AS payments,
    ARRAY(SELECT ROW({select_list(Release, "r")}) FROM releases AS r
        WHERE r.tenant_id = e.tenant_id AND r.escrow_id = e.escrow_id
        ORDER BY r.release_id) AS releases,
    (SELECT ROW({select_list(Payer, "y")}) FROM payers AS y
        WHERE y.tenant_id = e.tenant_id AND y.payer_id = e.payer_id) AS payer,
    (SELECT ROW({select_list(Payee, "z")}) FROM payees AS z
        WHERE z.tenant_id = e.tenant_id AND z.payee_id = e.payee_id) AS payee"""
EFFECT = f"""\
    (SELECT ROW({select_list(Effect, "f")}) FROM effects AS f
        WHERE f.tenant_id = q.tenant_id AND f.effect_id = q.effect_id) AS effect"""


def _found(by: str) -> str:
    return f"""\
LEFT JOIN LATERAL (
    SELECT e.escrow_id AS found_id,
{AGGREGATE}
    FROM escrows AS e WHERE e.tenant_id = q.tenant_id AND e.escrow_id = {by}
) AS found ON true
{IN_ORDER}"""


LOAD = {
    by: f"""\
SELECT {ANSWERED}, found.*,
{EFFECT}
FROM {asked(KEY | {"name": kind, "effect_id": "uuid"})}
{_found(by)}"""
    for by, kind in NAME_TYPE.items()
}
READ = {
    by: f"""\
SELECT found.*
FROM {asked({"tenant_id": "text", "name": NAME_TYPE[by]})}
{_found(by)}"""
    for by in (BY_ESCROW, BY_PAYMENT)
}
LIST = f"""\
SELECT
{AGGREGATE}
FROM escrows AS e
WHERE e.tenant_id = $1 AND e.escrow_id < coalesce($2::uuid, {NO_ID_YET})
{{conditions}}
ORDER BY e.escrow_id DESC
LIMIT $3"""
FILTERABLE: Mapping[str, str] = {
    "payer_id": "uuid",
    "payee_id": "uuid",
    "reference": "text",
    "state": "text",
    "currency": "text",
}


@dataclass(slots=True)
class EscrowRecords:
    """An escrow and everything below it, as stored."""

    escrow: Escrow
    milestones: list[Milestone]
    line_items: list[LineItem]
    payments: list[Payment]
    releases: list[Release]
    payer: Payer
    payee: Payee
    effect: Effect | None = None


def _records(row: asyncpg.Record) -> EscrowRecords:
    return EscrowRecords(
        escrow=from_row(Escrow, row["escrow"]),
        milestones=[from_row(Milestone, m) for m in row["milestones"]],
        line_items=[from_row(LineItem, i) for i in row["line_items"]],
        payments=[from_row(Payment, p) for p in row["payments"]],
        releases=[from_row(Release, r) for r in row["releases"]],
        payer=from_row(Payer, row["payer"]),
        payee=from_row(Payee, row["payee"]),
    )


async def load_escrow(
    pool: ServicePool,
    unit: UnitOfWork,
    name: UUID | str,
    *,
    by: str = BY_ESCROW,
    effect_id: UUID | None = None,
) -> EscrowRecords | None:
    """Loads what an operation decides on, and whether it was done before: one shared round trip.

    ``name`` is what ``by`` says: the id of the escrow or of one of its payments, or the Stripe id
    of a payment's intent. None when there is no such escrow.

    Raises:
        Answered, RequestIdReused: see ``refuse_twins``.
    """
    row = await pool.loads.row(LOAD[by], *key_arguments(unit), name, effect_id)
    refuse_twins(unit, row["answered"])
    if row["found_id"] is None:
        return None
    records = _records(row)
    records.effect = from_row(Effect, row["effect"]) if row["effect"] else None
    return records


async def read_escrow(
    pool: ServicePool, tenant_id: str, name: UUID, *, by: str = BY_ESCROW
) -> EscrowRecords | None:
    row = await pool.loads.row(READ[by], tenant_id, name)
    return _records(row) if row["found_id"] else None


async def list_escrows(
    pool: asyncpg.Pool,
    tenant_id: str,
    conditions: Sequence[tuple[str, Any]],
    *,
    before: UUID | None,
    limit: int,
) -> list[EscrowRecords]:
    """The newest escrows created before ``before`` that meet every (column, value) condition."""
    clauses = [
        f"AND e.{column} = ${number}::{FILTERABLE[column]}"
        for number, (column, _) in enumerate(conditions, start=4)
    ]
    statement = LIST.format(conditions="\n".join(clauses))
    values = [value for _, value in conditions]
    rows = await pool.fetch(statement, tenant_id, before, limit, *values)
    return [_records(row) for row in rows]
