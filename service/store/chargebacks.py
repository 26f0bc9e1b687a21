"""Chargebacks, read and listed."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from service.domain.records.chargeback import Chargeback
from service.store.lists import CREATED_AT, Listing
from service.store.rows import from_row, select_list

FIND = f"""\
SELECT {select_list(Chargeback, "c")} FROM chargebacks AS c
WHERE c.tenant_id = $1 AND c.chargeback_id = $2"""


async def find_chargeback(
    pool: asyncpg.Pool, tenant_id: str, chargeback_id: UUID
) -> Chargeback | None:
    row = await pool.fetchrow(FIND, tenant_id, chargeback_id)
    return from_row(Chargeback, row) if row else None


# As Chargeback.waits_for_evidence says it.
WAITS_FOR_EVIDENCE = """(
    {row}.due_by IS NOT NULL AND {row}.state IN ('NEEDS_RESPONSE', 'INQUIRY')
    AND ({row}.state = 'NEEDS_RESPONSE' OR {row}.submissions = 0)
)"""
# As Chargeback.is_unsettled says it; the index chargebacks_unsettled has the same condition.
UNSETTLED = """(
    ({row}.state = 'LOST' AND {row}.settled_at IS NULL)
    OR ({row}.state IN ('LOST', 'WON', 'PREVENTED', 'INQUIRY_CLOSED')
        AND ({row}.withdrawn_minor - {row}.reinstated_minor <> {row}.settled_minor
            OR {row}.passed_on_minor > {row}.fee_minor))
)"""
# Of a payee are those of the escrows that they, or a part of which they, are paid by.
_OF_PAYEE = """\
t.escrow_id = ANY(ARRAY(
    SELECT e.escrow_id FROM escrows AS e WHERE e.tenant_id = t.tenant_id AND e.payee_id = {value}
    UNION ALL
    SELECT p.escrow_id FROM milestone_payees AS p
    WHERE p.tenant_id = t.tenant_id AND p.payee_id = {value}
))"""
CHARGEBACKS = Listing(
    "chargebacks",
    "chargeback_id",
    select_list(Chargeback, "t"),
    lambda row: from_row(Chargeback, row),
    {
        "escrow_id": "uuid",
        "payment_id": "uuid",
        "payee_id": "uuid",
        "state": "text",
        "currency": "text",
        "stripe_dispute": "text",
        "unsettled": "boolean",
        "amount_minor": "bigint",
        "due_by": "timestamptz",
        CREATED_AT: "timestamptz",
    },
    {"payee_id": _OF_PAYEE, "unsettled": UNSETTLED.format(row="t") + " = {value}"},
)
