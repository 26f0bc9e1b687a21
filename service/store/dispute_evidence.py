"""What was given in disputes: pieces without their files, and a file by itself."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.records.dispute_evidence import DisputeEvidence
from service.store.lists import CREATED_AT, Listing
from service.store.rows import from_row, select_list

FIND = f"""\
SELECT {select_list(DisputeEvidence, "v")} FROM dispute_evidence AS v
WHERE v.tenant_id = $1 AND v.evidence_id = $2"""
GIVEN = """\
SELECT
    count(*) AS pieces,
    coalesce(sum(v.size_bytes), 0)::bigint AS size_bytes,
    (array_agg(v.evidence_id) FILTER (WHERE v.sha256 = $4))[1] AS same_file
FROM dispute_evidence AS v
WHERE v.tenant_id = $1 AND v.dispute_id = $2 AND v.party = $3"""
FIND_FILE = """\
SELECT f.content FROM dispute_files AS f WHERE f.tenant_id = $1 AND f.evidence_id = $2"""


class Given(NamedTuple):
    """How much a party has given in a dispute, and the piece with this very file."""

    pieces: int
    size_bytes: int
    same_file: UUID | None


async def find_given(pool: asyncpg.Pool, new: DisputeEvidence) -> Given:
    """What its party has given in the dispute before this piece: nobody uses up another's room."""
    row = await pool.fetchrow(GIVEN, new.tenant_id, new.dispute_id, new.party, new.sha256)
    assert row is not None
    return Given(*row)


async def find_dispute_evidence(
    pool: asyncpg.Pool, tenant_id: str, evidence_id: UUID
) -> DisputeEvidence | None:
    row = await pool.fetchrow(FIND, tenant_id, evidence_id)
    return from_row(DisputeEvidence, row) if row else None


async def find_file(pool: asyncpg.Pool, tenant_id: str, evidence_id: UUID) -> bytes | None:
    """What is kept in the database of its file; None where nothing is."""
    content: bytes | None = await pool.fetchval(FIND_FILE, tenant_id, evidence_id)
    return content


DISPUTE_EVIDENCE = Listing(
    "dispute_evidence",
    "evidence_id",
    select_list(DisputeEvidence, "t"),
    lambda row: from_row(DisputeEvidence, row),
    {"dispute_id": "uuid", "escrow_id": "uuid", "party": "text", CREATED_AT: "timestamptz"},
)
