"""Disputes between the parties, read and listed with what runs against time."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.records.deadline import Deadline
from service.domain.records.dispute import Dispute
from service.store.lists import CREATED_AT, Listing
from service.store.rows import from_row, select_list, typed


class DisputeRow(NamedTuple):
    """A dispute, and its deadline while it is open."""

    dispute: Dispute
    deadline: Deadline | None


_SELECTED = f"""\
{select_list(Dispute, "t")},
    (SELECT {typed(Deadline, "d")} FROM deadlines AS d
        WHERE d.tenant_id = t.tenant_id AND d.escrow_id = t.escrow_id
        AND d.subject_id = t.dispute_id LIMIT 1) AS deadline"""
FIND = f"""\
SELECT {_SELECTED}
FROM disputes AS t
WHERE t.tenant_id = $1 AND t.dispute_id = $2"""


def _read(row: asyncpg.Record) -> DisputeRow:
    deadline = from_row(Deadline, row["deadline"]) if row["deadline"] else None
    return DisputeRow(from_row(Dispute, list(row)[:-1]), deadline)


async def find_dispute(pool: asyncpg.Pool, tenant_id: str, dispute_id: UUID) -> DisputeRow | None:
    row = await pool.fetchrow(FIND, tenant_id, dispute_id)
    return _read(row) if row else None


DISPUTES = Listing(
    "disputes",
    "dispute_id",
    _SELECTED,
    _read,
    {
        "escrow_id": "uuid",
        "milestone_id": "uuid",
        "payer_id": "uuid",
        "payee_id": "uuid",
        "opened_by": "text",
        "state": "text",
        "open": "boolean",
        "currency": "text",
        "amount_minor": "bigint",
        "due_at": "timestamptz",
        CREATED_AT: "timestamptz",
    },
    {
        "payer_id": """\
t.escrow_id = ANY(ARRAY(
    SELECT e.escrow_id FROM escrows AS e WHERE e.tenant_id = t.tenant_id AND e.payer_id = {value}
))""",
        # Of a payee are those of the escrows that they, or a part of which they, are paid by.
        "payee_id": """\
t.escrow_id = ANY(ARRAY(
    SELECT e.escrow_id FROM escrows AS e WHERE e.tenant_id = t.tenant_id AND e.payee_id = {value}
    UNION ALL
    SELECT p.escrow_id FROM milestone_payees AS p
    WHERE p.tenant_id = t.tenant_id AND p.payee_id = {value}
))""",
        "open": "(t.state IN ('OPEN', 'NEGOTIATION', 'MEDIATION')) = {value}",
        "due_at": """\
EXISTS (
    SELECT 1 FROM deadlines AS d
    WHERE d.tenant_id = t.tenant_id AND d.escrow_id = t.escrow_id
    AND d.subject_id = t.dispute_id AND d.due_at {operator} {value}
)""",
    },
)
