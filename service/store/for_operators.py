"""What operators list. Open items are few, and found by partial indexes that hold nothing else;
only then they are put in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

import asyncpg

from service.domain import accounts
from service.domain.postings import JournalKind
from service.domain.records.effect import NEEDS_PERSON, Effect
from service.store.effects import find_effect
from service.store.rows import NO_ID_YET, from_row, select_list
from service.store.stripe_events import ENTRY, InboxEntry, entry_of, find_event
from service.store.unreadable import Unreadable, read_all

_EFFECTS = f"""\
WITH open AS MATERIALIZED (
    SELECT * FROM effects
    WHERE tenant_id = $1 AND state IN ('PLANNED', 'SENDING', 'UNKNOWN'){{which}}
)
SELECT {{columns}} FROM open AS f
WHERE f.effect_id < coalesce($2::uuid, {NO_ID_YET})
ORDER BY f.effect_id DESC
LIMIT $3"""
# The open ones of an escrow, of a payee, or with one of these ids.
_EFFECTS_ABOUT = """\
WITH open AS MATERIALIZED (
    SELECT * FROM effects WHERE tenant_id = $1 AND state IN ('PLANNED', 'SENDING', 'UNKNOWN')
)
SELECT {columns} FROM open AS f
WHERE f.escrow_id = $2 OR f.payee_id = $3 OR f.effect_id = ANY($4::uuid[])
ORDER BY f.effect_id DESC
LIMIT $5"""
EFFECTS_ABOUT = _EFFECTS_ABOUT.format(columns=select_list(Effect, "f"))
EFFECT_IDS_ABOUT = _EFFECTS_ABOUT.format(columns="f.effect_id")
_REJECTED = f"""\
SELECT {{columns}} FROM effects AS f
WHERE f.tenant_id = $1 AND f.state = 'REJECTED' AND f.effect_id < coalesce($2::uuid, {NO_ID_YET})
ORDER BY f.effect_id DESC
LIMIT $3"""


def _effects(columns: str) -> Mapping[str, str]:
    return {
        "open": _EFFECTS.format(columns=columns, which=""),
        "needs_person": _EFFECTS.format(columns=columns, which=f" AND error ? '{NEEDS_PERSON}'"),
        "rejected": _REJECTED.format(columns=columns),
    }


EFFECTS, EFFECT_IDS = _effects(select_list(Effect, "f")), _effects("f.effect_id")

EVENT_STATES: Mapping[str, str] = {
    "open": "'RECEIVED', 'PARKED'",
    "set_aside": "'QUARANTINED', 'SUSPENSE'",
    "dismissed": "'DISMISSED'",
}


def _since(column: str) -> str:
    """A time to list by: of a damaged one, the nearest that can be read."""
    return f"greatest(least({column}, '9999-12-31'), '1970-01-01')"


_EVENTS = f"""\
WITH listed AS MATERIALIZED (
    SELECT e.*, {_since("received_at")} AS since FROM stripe_events AS e
    WHERE e.tenant_id = $1 AND e.state IN ({{states}})
)
SELECT {{columns}} FROM listed AS e
WHERE (e.since, e.event_id) > ($2::timestamptz, $3::text)
ORDER BY e.since, e.event_id
LIMIT $4"""
_KEY = "e.since, e.event_id"
EVENTS = {
    name: _EVENTS.format(columns=f"{_KEY}, {ENTRY}", states=states)
    for name, states in EVENT_STATES.items()
}
EVENT_KEYS = {
    name: _EVENTS.format(columns=_KEY, states=states) for name, states in EVENT_STATES.items()
}

OPEN_FREEZES = """\
WITH open AS MATERIALIZED (SELECT * FROM freezes WHERE tenant_id = $1 AND state = 'OPEN')
SELECT z.freeze_id, z.escrow_id, z.milestone_id, z.payment_id, z.reason, z.source, z.fact,
    z.amount_minor, z.beyond_minor, x.currency,
    to_char(z.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at
FROM open AS z
JOIN escrows AS x ON x.tenant_id = $1 AND x.escrow_id = z.escrow_id
WHERE z.freeze_id > $2
ORDER BY z.freeze_id
LIMIT $3"""
UNDECIDED = """\
SELECT u.stripe_account, u.balance_transaction_id, u.reason, u.first_seen_at, u.due_at
FROM undecided_transactions AS u
WHERE u.tenant_id = $1 AND u.decided_at IS NULL
ORDER BY u.first_seen_at
LIMIT $2"""

# The money that waits for a person; what it belongs to, where anything of ours does.
SUSPENSE = f"""\
WITH suspended AS MATERIALIZED (
    SELECT account, currency, balance_minor, split_part(account, ':', 3) AS id FROM balances
    WHERE tenant_id = $1 AND account LIKE '{accounts.SUSPENSE.like}' AND balance_minor > 0
), unexplained AS MATERIALIZED (
    SELECT account, currency, balance_minor, split_part(account, ':', 3) AS id FROM balances
    WHERE tenant_id = $1 AND balance_minor > 0 AND (
        account LIKE '{accounts.TAKEN_UNEXPLAINED.like}'
        OR account LIKE '{accounts.BROUGHT_UNEXPLAINED.like}')
), items AS (
    SELECT s.account, s.currency, s.balance_minor, p.payment_id, p.escrow_id, p.payer_id,
        p.stripe_charge AS stripe_object, coalesce({_since("j.created_at")}, '1970-01-01') AS since
    FROM suspended AS s
    LEFT JOIN payments AS p ON p.tenant_id = $1
        AND p.payment_id = CASE WHEN length(s.id) = 36 AND s.id ~ '^pay_[0-9a-f]+$'
            THEN right(s.id, 32)::uuid END
    LEFT JOIN journals AS j ON j.tenant_id = $1 AND j.source_type = 'payment'
        AND j.source_id = s.id AND j.kind = '{JournalKind.PAYMENT_UNEXPECTED}'
    UNION ALL
    SELECT u.account, u.currency, u.balance_minor, NULL, j.escrow_id, NULL, u.id,
        coalesce({_since("j.created_at")}, '1970-01-01')
    FROM unexplained AS u
    LEFT JOIN balance_transactions AS t ON t.tenant_id = $1 AND t.balance_transaction_id = u.id
    LEFT JOIN journals AS j ON j.tenant_id = $1 AND j.journal_id = t.journal_id
)
SELECT * FROM items AS i
WHERE (i.since, i.account) > ($2::timestamptz, $3::text)
ORDER BY i.since, i.account
LIMIT $4"""
BALANCES = """\
SELECT balance_minor FROM balances
WHERE tenant_id = $1 AND account = $2 AND balance_minor > 0"""


Since: TypeAlias = tuple[datetime, str]
"""Where something is in a list that is by time: when it began to wait, and its id."""


class ListedEvent(NamedTuple):
    """An event, and where it is in its list."""

    since: Since
    entry: InboxEntry


class SuspenseItem(NamedTuple):
    """An account whose money waits for a person, in minor units of its currency."""

    account: str
    currency: str
    balance_minor: int
    payment_id: UUID | None
    escrow_id: UUID | None
    payer_id: UUID | None
    stripe_object: str | None
    since: datetime


async def list_effects_of(
    pool: asyncpg.Pool, tenant_id: str, which: str, *, before: UUID | None, limit: int
) -> list[Effect | Unreadable[UUID]]:
    """The newest effects of a list (see ``EFFECTS``) that were decided on before ``before``."""
    arguments = tenant_id, before, limit

    async def together() -> list[Effect]:
        rows = await pool.fetch(EFFECTS[which], *arguments)
        return [from_row(Effect, row) for row in rows]

    async def keys() -> list[UUID]:
        return [row[0] for row in await pool.fetch(EFFECT_IDS[which], *arguments)]

    return await read_all(together, keys, lambda key: find_effect(pool, tenant_id, key))


async def find_effects_about(
    pool: asyncpg.Pool,
    tenant_id: str,
    *,
    escrow_id: UUID | None = None,
    payee_id: UUID | None = None,
    effect_ids: Iterable[UUID] = (),
    limit: int,
) -> list[Effect | Unreadable[UUID]]:
    """The newest open effects of an escrow, of a payee, or of these ids."""
    arguments = tenant_id, escrow_id, payee_id, [*effect_ids], limit

    async def together() -> list[Effect]:
        return [from_row(Effect, row) for row in await pool.fetch(EFFECTS_ABOUT, *arguments)]

    async def keys() -> list[UUID]:
        return [row[0] for row in await pool.fetch(EFFECT_IDS_ABOUT, *arguments)]

    return await read_all(together, keys, lambda key: find_effect(pool, tenant_id, key))


async def list_events(
    pool: asyncpg.Pool,
    tenant_id: str,
    lists: Iterable[str],
    *,
    after: Since,
    limit: int,
) -> list[ListedEvent | Unreadable[Since]]:
    """The oldest events of these lists (see ``EVENT_STATES``) received after ``after``."""

    async def rows(statements: Mapping[str, str]) -> list[asyncpg.Record]:
        found = [
            row
            for name in lists
            for row in await pool.fetch(statements[name], tenant_id, *after, limit)
        ]
        return sorted(found, key=lambda row: (row[0], row[1]))[:limit]

    async def together() -> list[ListedEvent]:
        return [ListedEvent((row[0], row[1]), entry_of(row[2:])) for row in await rows(EVENTS)]

    async def keys() -> list[Since]:
        return [(row[0], row[1]) for row in await rows(EVENT_KEYS)]

    async def alone(key: Since) -> ListedEvent | None:
        entry = await find_event(pool, tenant_id, key[1])
        return ListedEvent(key, entry) if entry else None

    return await read_all(together, keys, alone)


async def list_suspense(
    pool: asyncpg.Pool, tenant_id: str, *, after: Since, limit: int
) -> list[SuspenseItem]:
    """The oldest money that waits for a person, since after ``after``."""
    rows = await pool.fetch(SUSPENSE, tenant_id, *after, limit)
    return [SuspenseItem(*row) for row in rows]


class OpenFreeze(NamedTuple):
    """An amount that may not move, in minor units; ``created_at`` in RFC 3339, whatever it is."""

    freeze_id: UUID
    escrow_id: UUID
    milestone_id: UUID
    payment_id: UUID
    reason: str
    source: str
    fact: str
    amount_minor: int
    beyond_minor: int
    currency: str
    created_at: str


class Undecided(NamedTuple):
    """A balance transaction that cannot be booked yet, and why; no account is the platform's."""

    stripe_account: str
    balance_transaction_id: str
    reason: str
    first_seen_at: datetime
    due_at: datetime


async def list_freezes(
    pool: asyncpg.Pool, tenant_id: str, *, after: UUID, limit: int
) -> list[OpenFreeze]:
    """The oldest open freezes after one of them."""
    return [OpenFreeze(*row) for row in await pool.fetch(OPEN_FREEZES, tenant_id, after, limit)]


async def list_undecided(pool: asyncpg.Pool, tenant_id: str, *, limit: int) -> list[Undecided]:
    """The oldest of them."""
    return [Undecided(*row) for row in await pool.fetch(UNDECIDED, tenant_id, limit)]


async def find_balances(pool: asyncpg.Pool, tenant_id: str, account: str) -> list[int]:
    """What a tracked account holds, in minor units, a currency each; empty when nothing."""
    return [row[0] for row in await pool.fetch(BALANCES, tenant_id, account)]
