"""A tenant's rows listed newest first, by conditions on their columns.

Ids grow with the time at which they were made, so a list needs no other order than theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

import asyncpg

from service.domain import ids
from service.domain.records.approval import Approval
from service.domain.records.parties import Payee, Payer
from service.domain.records.payment import Payment
from service.domain.records.receivable import Receivable
from service.domain.records.refund import Refund, RefundPart
from service.store.rows import NO_ID_YET, from_row, select_list, typed
from service.store.unreadable import Unreadable, read_all

Row = TypeVar("Row")
CREATED_AT = "created_at"
OPERATORS = ("=", ">=", ">", "<=", "<")


class Condition(NamedTuple):
    """``operator`` is one of OPERATORS."""

    column: str
    operator: str
    value: Any


class PaymentRow(NamedTuple):
    """A payment, and the milestones that it funds, in their order."""

    payment: Payment
    milestone_ids: list[UUID]


class RefundRow(NamedTuple):
    """A refund and its parts, in their order."""

    refund: Refund
    parts: list[RefundPart]


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """What a list shows of a table. ``selected`` is its select list, with ``t`` for the table, and
    ``read`` makes one of its rows of it; ``filterable`` are the columns that a condition may name,
    with their types. A condition on one in ``through`` is this clause, with ``{value}`` in it, and
    ``{operator}`` where the field has several.
    """

    table: str
    key: str
    selected: str
    read: Callable[[asyncpg.Record], Row]
    filterable: Mapping[str, str]
    through: Mapping[str, str] = field(default_factory=dict)

    @property
    def statement(self) -> str:
        """Of the tenant $1, below the id $2, at most $3; with a place for conditions from $4 on."""
        return f"SELECT {self.selected}\n{self._listed}"

    @property
    def keys(self) -> str:
        """The same rows' ids alone."""
        return f"SELECT t.{self.key}\n{self._listed}"

    @property
    def _listed(self) -> str:
        return f"""\
FROM {self.table} AS t
WHERE t.tenant_id = $1 AND t.{self.key} < coalesce($2::uuid, {NO_ID_YET})
{{conditions}}
ORDER BY t.{self.key} DESC
LIMIT $3"""

    async def find(
        self,
        pool: asyncpg.Pool,
        tenant_id: str,
        conditions: Sequence[Condition],
        *,
        before: UUID | None,
        limit: int,
    ) -> list[Row | Unreadable[UUID]]:
        """The newest rows made before ``before`` that meet every condition."""

        async def fetch(
            statement: str, conditions: Sequence[Condition], before: UUID | None, limit: int
        ) -> list[asyncpg.Record]:
            clauses, values = where(self.key, conditions, self.filterable, self.through)
            arguments = tenant_id, before, limit, *values
            return list(await pool.fetch(statement.format(conditions=clauses), *arguments))

        async def together() -> list[Row]:
            return [self.read(r) for r in await fetch(self.statement, conditions, before, limit)]

        async def keys() -> list[UUID]:
            return [row[0] for row in await fetch(self.keys, conditions, before, limit)]

        async def alone(key: UUID) -> Row | None:
            this = [Condition(self.key, "=", key)]
            rows = await fetch(self.statement, this, None, 1)
            return self.read(rows[0]) if rows else None

        return await read_all(together, keys, alone)


def where(
    key: str,
    conditions: Sequence[Condition],
    filterable: Mapping[str, str],
    through: Mapping[str, str],
) -> tuple[str, list[Any]]:
    """The conditions as clauses, and their values, whose parameters begin with $4."""
    types = {key: "uuid", **filterable}
    clauses, values = [], []
    for column, operator, value in (*conditions, *_bounds(key, conditions)):
        assert operator in OPERATORS
        values.append(value)
        placed = f"${len(values) + 3}::{types[column]}"
        clause = through.get(column, f"t.{column} {operator} {{value}}")
        clauses.append(f"AND {clause.format(value=placed, operator=operator)}")
    return "\n".join(clauses), values


def _bounds(key: str, conditions: Sequence[Condition]) -> list[Condition]:
    """The ids between which all lies that was made in a time: an index finds these."""
    bounds = []
    for column, operator, value in conditions:
        if column != CREATED_AT:
            continue
        moment: datetime = max(value, ids.EPOCH)
        if operator in ("=", ">=", ">"):
            bounds.append(Condition(key, ">=", ids.first_uuid(moment)))
        if operator in ("=", "<=", "<"):
            bounds.append(Condition(key, "<=", ids.last_uuid(moment)))
    return bounds


PAYERS = Listing(
    "payers",
    "payer_id",
    select_list(Payer, "t"),
    lambda row: from_row(Payer, row),
    {"reference": "text", "email": "text", CREATED_AT: "timestamptz"},
)
PAYEES = Listing(
    "payees",
    "payee_id",
    select_list(Payee, "t"),
    lambda row: from_row(Payee, row),
    {
        "reference": "text",
        "email": "text",
        "state": "text",
        "country": "text",
        "stripe_account": "text",
        CREATED_AT: "timestamptz",
    },
)
PAYMENTS = Listing(
    "payments",
    "payment_id",
    f"""\
{select_list(Payment, "t")},
    ARRAY(SELECT m.milestone_id FROM milestones AS m
        WHERE m.tenant_id = t.tenant_id AND m.escrow_id = t.escrow_id
        AND m.payment_id = t.payment_id
        ORDER BY m.position) AS milestone_ids""",
    lambda row: PaymentRow(from_row(Payment, list(row)[:-1]), row["milestone_ids"]),
    {
        "escrow_id": "uuid",
        "state": "text",
        "method": "text",
        "currency": "text",
        CREATED_AT: "timestamptz",
    },
)
REFUNDS = Listing(
    "refunds",
    "refund_id",
    f"""\
{select_list(Refund, "t")},
    ARRAY(SELECT {typed(RefundPart, "p")} FROM refund_parts AS p
        WHERE p.tenant_id = t.tenant_id AND p.escrow_id = t.escrow_id
        AND p.refund_id = t.refund_id
        ORDER BY p.position) AS parts""",
    lambda row: RefundRow(
        from_row(Refund, list(row)[:-1]), [from_row(RefundPart, each) for each in row["parts"]]
    ),
    {
        "escrow_id": "uuid",
        "payment_id": "uuid",
        "state": "text",
        "currency": "text",
        CREATED_AT: "timestamptz",
    },
)
RECEIVABLES = Listing(
    "receivables",
    "receivable_id",
    select_list(Receivable, "t"),
    lambda row: from_row(Receivable, row),
    {
        "payee_id": "uuid",
        "escrow_id": "uuid",
        "refund_id": "uuid",
        "state": "text",
        "currency": "text",
        CREATED_AT: "timestamptz",
    },
)
APPROVALS = Listing(
    "approvals",
    "approval_id",
    select_list(Approval, "t"),
    lambda row: from_row(Approval, row),
    {"state": "text", "escrow_id": "uuid", "currency": "text", CREATED_AT: "timestamptz"},
)
