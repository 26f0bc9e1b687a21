"""What was sent against chargebacks: the last of one, and lists."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from service.domain.records.evidence import SentEvidence
from service.store.lists import CREATED_AT, Listing
from service.store.rows import from_row, select_list

FIND_LAST = f"""\
SELECT {select_list(SentEvidence, "v")} FROM chargeback_evidence AS v
WHERE v.tenant_id = $1 AND v.chargeback_id = $2
ORDER BY v.evidence_id DESC
LIMIT 1"""


async def find_last_evidence(
    pool: asyncpg.Pool, tenant_id: str, chargeback_id: UUID
) -> SentEvidence | None:
    """What was staged or submitted last; None where nothing was."""
    row = await pool.fetchrow(FIND_LAST, tenant_id, chargeback_id)
    return from_row(SentEvidence, row) if row else None


EVIDENCE = Listing(
    "chargeback_evidence",
    "evidence_id",
    select_list(SentEvidence, "t"),
    lambda row: from_row(SentEvidence, row),
    {"chargeback_id": "uuid", "step": "text", CREATED_AT: "timestamptz"},
)
