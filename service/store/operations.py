"""Operations that were done before: the idempotency record, and the timeline."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from service.domain.amendment import Change
from service.domain.errors import RequestIdReused
from service.domain.unit import UnitOfWork
from service.store.unreadable import Unreadable, read_all

# Part of every load: the parameters by which the operation itself is named, and what was answered.
KEY = {"tenant_id": "text", "caller": "text", "kind": "text", "key": "text"}
ANSWERED = """\
(SELECT (o.request_hash, o.response, o.kind)::read_answer_v2 FROM operations AS o
    WHERE o.tenant_id = q.tenant_id AND o.caller = q.caller AND o.key = q.key
    ORDER BY o.kind <> q.kind LIMIT 1) AS answered"""

_OF_ESCROW = """\
FROM operations
WHERE tenant_id = $1 AND escrow_id = $2 AND escrow_version > $3
ORDER BY escrow_version
LIMIT $4"""
TIMELINE = f"""\
SELECT escrow_version, kind, party, caller, key, transitions, note, occurred_at, trace_id
{_OF_ESCROW}"""
CHANGE_AT = """\
SELECT o.operation_id FROM operations AS o
WHERE o.tenant_id = $1 AND o.escrow_id = $2 AND o.escrow_version = $3"""
TIMELINE_VERSIONS = f"SELECT escrow_version\n{_OF_ESCROW}"


FIND_OPERATION = """\
SELECT operation_id, kind, caller, party, key, note, transitions, response, trace_id, occurred_at
FROM operations WHERE tenant_id = $1 AND operation_id = $2"""


# What the subjects of a timeline are about: none of it changes but what a freeze holds, and the
# price of a milestone that is amended. The effect that makes a payment has the payment's own id.
AMOUNTS = """\
SELECT m.milestone_id AS subject_id, m.amount_minor, e.currency
FROM milestones AS m
JOIN escrows AS e ON e.tenant_id = m.tenant_id AND e.escrow_id = m.escrow_id
WHERE m.tenant_id = $1 AND m.escrow_id = ANY($2::uuid[]) AND m.milestone_id = ANY($3::uuid[])
UNION ALL
SELECT p.payment_id, p.amount_minor, p.currency
FROM payments AS p
WHERE p.tenant_id = $1 AND p.escrow_id = ANY($2::uuid[]) AND p.payment_id = ANY($3::uuid[])
UNION ALL
SELECT r.release_id, r.amount_minor, r.currency
FROM releases AS r
WHERE r.tenant_id = $1 AND r.escrow_id = ANY($2::uuid[]) AND r.release_id = ANY($3::uuid[])
UNION ALL
SELECT
    r.effect_id,
    coalesce(r.transfer_minor, r.payee_share_minor),
    coalesce(r.transfer_currency, r.currency)
FROM releases AS r
WHERE r.tenant_id = $1 AND r.escrow_id = ANY($2::uuid[]) AND r.effect_id = ANY($3::uuid[])
UNION ALL
SELECT f.freeze_id, f.amount_minor, e.currency
FROM freezes AS f
JOIN escrows AS e ON e.tenant_id = f.tenant_id AND e.escrow_id = f.escrow_id
WHERE f.tenant_id = $1 AND f.escrow_id = ANY($2::uuid[]) AND f.freeze_id = ANY($3::uuid[])"""


AMENDMENTS = """\
SELECT p.escrow_id, p.agreed_version, p.changes::text, e.currency
FROM proposals AS p
JOIN escrows AS e ON e.tenant_id = p.tenant_id AND e.escrow_id = p.escrow_id
WHERE p.tenant_id = $1 AND p.escrow_id = ANY($2::uuid[]) AND p.agreed_version IS NOT NULL
ORDER BY p.agreed_version"""


class Answered(Exception):
    """The same request was answered before; ``response`` is what it was answered."""

    def __init__(self, response: bytes) -> None:
        super().__init__()
        self.response = response


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One operation on an escrow, as its timeline shows it."""

    version: int
    operation: str
    party: str
    caller: str
    key: str
    transitions: Sequence[Sequence[str]]
    note: str
    occurred_at: datetime
    trace_id: str


@dataclass(slots=True)
class AmendmentRow:
    """What was agreed by one version of an escrow. Its changes are read by who shows them: what is
    damaged fails no other.
    """

    version: int
    document: str
    currency: str
    _read: Sequence[Change] | None = None

    @property
    def changes(self) -> Sequence[Change]:
        if self._read is None:
            self._read = [Change.read(each) for each in json.loads(self.document)]
        return self._read


@dataclass(frozen=True, slots=True)
class OperationRow:
    """One operation; ``response`` is what was answered, as it is stored."""

    operation_id: UUID
    kind: str
    caller: str
    party: str
    key: str
    note: str
    transitions: Sequence[Sequence[str]]
    response: bytes | None
    trace_id: str
    occurred_at: datetime


async def find_operation(
    pool: asyncpg.Pool, tenant_id: str, operation_id: UUID
) -> OperationRow | None:
    row = await pool.fetchrow(FIND_OPERATION, tenant_id, operation_id)
    return OperationRow(*row) if row else None


def key_arguments(unit: UnitOfWork) -> tuple[str, str, str, str]:
    """The arguments for ``KEY``."""
    return unit.call.tenant_id, unit.call.caller, unit.operation, unit.call.key


def answer_replay(unit: UnitOfWork, answered: Sequence[Any] | None) -> None:
    """Ends an operation that was done before.

    Raises:
        Answered: with the answer of the first time.
        RequestIdReused: the same key came with another request, or to another method.
    """
    if answered is None:
        return
    request_hash, response, kind = answered
    if kind != unit.operation:
        if unit.request_hash and request_hash:  # both are what a client asked for
            method = "".join(part.capitalize() for part in kind.split("_"))
            raise RequestIdReused(f"This request_id was used for {method} before; send a new one.")
        return
    if request_hash != unit.request_hash:
        raise RequestIdReused
    raise Answered(response or b"")


async def find_timeline(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, *, after_version: int, limit: int
) -> list[TimelineRow | Unreadable[int]]:
    """What was done to an escrow after a version, oldest first."""

    async def rows(after: int, most: int) -> list[TimelineRow]:
        found = await pool.fetch(TIMELINE, tenant_id, escrow_id, after, most)
        return [TimelineRow(*row) for row in found]

    async def versions() -> list[int]:
        found = await pool.fetch(TIMELINE_VERSIONS, tenant_id, escrow_id, after_version, limit)
        return [row[0] for row in found]

    async def alone(version: int) -> TimelineRow:
        (row,) = await rows(version - 1, 1)
        return row

    return await read_all(lambda: rows(after_version, limit), versions, alone)


async def change_at(
    pool: asyncpg.Pool, tenant_id: str, escrow_id: UUID, version: int
) -> UUID | None:
    """The operation by which an escrow came to a version; None where there is none."""
    found: UUID | None = await pool.fetchval(CHANGE_AT, tenant_id, escrow_id, version)
    return found


async def find_amounts(
    pool: asyncpg.Pool, tenant_id: str, escrows: Collection[UUID], subjects: Collection[UUID]
) -> dict[str, tuple[int, str]]:
    """What of the subjects of escrows is money: (minor, currency), by their ids in hexadecimal."""
    if not subjects:
        return {}
    rows = await pool.fetch(AMOUNTS, tenant_id, list(escrows), list(subjects))
    return {row[0].hex: (row[1], row[2]) for row in rows}


async def find_amendments(
    pool: asyncpg.Pool, tenant_id: str, escrows: Collection[UUID]
) -> dict[UUID, list[AmendmentRow]]:
    """What was amended of each of these escrows, in the order in which it was agreed."""
    amended: dict[UUID, list[AmendmentRow]] = {}
    for escrow_id, *row in await pool.fetch(AMENDMENTS, tenant_id, list(escrows)):
        amended.setdefault(escrow_id, []).append(AmendmentRow(*row))
    return amended
