"""Payers, and payees with their payouts and balances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

import asyncpg

from service.domain.accounts import CONN_BALANCE
from service.domain.records.effect import Effect
from service.domain.records.parties import Payee, Payer, PreviousAccount
from service.domain.records.payout import Payout
from service.domain.states.payee import PayeeState
from service.domain.unit import UnitOfWork
from service.store.operations import ANSWERED, KEY, answer_replay, key_arguments
from service.store.policies import NEWEST_POLICY
from service.store.pool import ServicePool
from service.store.rows import NO_ID_YET, from_row, select_list, typed
from service.store.shared_loads import IN_ORDER, asked
from service.store.unreadable import Unreadable, read_all

PAYER_ROW = f"(SELECT {typed(Payer, 'y')} FROM payers AS y WHERE y.tenant_id = q.tenant_id"
PAYEE_ROW = f"(SELECT {typed(Payee, 'z')} FROM payees AS z WHERE z.tenant_id = q.tenant_id"
EFFECT_ROW = (
    f"(SELECT {typed(Effect, 'f')} FROM effects AS f"
    " WHERE f.tenant_id = q.tenant_id AND f.effect_id = q.effect_id) AS effect"
)
LOAD_PARTIES = f"""\
SELECT {ANSWERED},
    {PAYER_ROW} AND y.payer_id = q.payer_id) AS payer,
    {PAYEE_ROW} AND z.payee_id = q.payee_id) AS payee,
    {NEWEST_POLICY},
    {EFFECT_ROW}
FROM {asked(KEY | {"payer_id": "uuid", "payee_id": "uuid", "effect_id": "uuid"})}
{IN_ORDER}"""
LOAD_PAYEE = f"""\
SELECT {ANSWERED},
    {PAYEE_ROW} AND z.payee_id = q.payee_id) AS payee,
    ARRAY(SELECT {typed(Payout, "o")} FROM payouts AS o
        WHERE o.tenant_id = q.tenant_id AND o.payee_id = q.payee_id
        AND (o.payout_id = q.payout_id OR o.state = 'REQUESTED' AND EXISTS (
            SELECT FROM effects AS f
            JOIN payees AS z ON z.tenant_id = f.tenant_id AND z.payee_id = f.payee_id
                AND z.stripe_account = f.stripe_account
            WHERE f.tenant_id = o.tenant_id AND f.effect_id = o.payout_id
        ))) AS payouts,
    ARRAY(SELECT (b.account, b.currency, b.balance_minor)::read_balance FROM balances AS b
        WHERE b.tenant_id = q.tenant_id AND b.account = (
            SELECT {CONN_BALANCE.sql(account="z.stripe_account")} FROM payees AS z
            WHERE z.tenant_id = q.tenant_id AND z.payee_id = q.payee_id
        )) AS balances,
    {NEWEST_POLICY},
    {EFFECT_ROW}
FROM {asked(KEY | {"payee_id": "uuid", "payout_id": "uuid", "effect_id": "uuid"})}
{IN_ORDER}"""
FIND_PAYER = (
    f"SELECT {select_list(Payer, 'y')} FROM payers AS y WHERE y.tenant_id = $1 AND y.payer_id = $2"
)
FIND_PAYEE = (
    f"SELECT {select_list(Payee, 'z')} FROM payees AS z WHERE z.tenant_id = $1 AND z.payee_id = $2"
)
FIND_PAYEES = (
    f"SELECT {select_list(Payee, 'z')} FROM payees AS z"
    " WHERE z.tenant_id = $1 AND z.payee_id = ANY($2::uuid[])"
)
FIND_PAYER_BY_REFERENCE = (
    f"SELECT {select_list(Payer, 'y')} FROM payers AS y WHERE y.tenant_id = $1 AND y.reference = $2"
)
FIND_PAYEE_BY_REFERENCE = (
    f"SELECT {select_list(Payee, 'z')} FROM payees AS z WHERE z.tenant_id = $1 AND z.reference = $2"
)
FIND_ACCOUNT = """\
SELECT z.payee_id, z.state, true AS is_current FROM payees AS z
WHERE z.tenant_id = $1 AND z.stripe_account = $2
UNION ALL
SELECT a.payee_id, a.state, false FROM previous_accounts AS a
WHERE a.tenant_id = $1 AND a.stripe_account = $2"""
PREVIOUS_ACCOUNTS = (
    f"SELECT {select_list(PreviousAccount, 'a')} FROM previous_accounts AS a"
    " WHERE a.tenant_id = $1 AND a.payee_id = $2 ORDER BY a.replaced_at"
)
ANY_PARTY = """\
SELECT EXISTS (SELECT FROM payers AS y WHERE y.tenant_id = $1)
    OR EXISTS (SELECT FROM payees AS z WHERE z.tenant_id = $1)"""
FIND_PAYOUT = (
    f"SELECT {select_list(Payout, 'o')} FROM payouts AS o"
    " WHERE o.tenant_id = $1 AND o.payout_id = $2"
)
_PAYOUTS_LISTED = f"""\
FROM payouts AS o
WHERE o.tenant_id = $1 AND o.payee_id = $2 AND o.payout_id < coalesce($3::uuid, {NO_ID_YET})
ORDER BY o.payout_id DESC
LIMIT $4"""
LIST_PAYOUTS = f"SELECT {select_list(Payout, 'o')} {_PAYOUTS_LISTED}"
LIST_PAYOUT_IDS = f"SELECT o.payout_id {_PAYOUTS_LISTED}"
# What is on its way to the payee is known per release; the account in the books is shared by all.
PAYEE_BALANCES = f"""\
SELECT account, currency, balance_minor FROM balances
WHERE tenant_id = $1 AND account = ANY($3::text[])
UNION ALL
SELECT {CONN_BALANCE.sql(account="a.stripe_account")}, b.currency, b.balance_minor
FROM previous_accounts AS a
LEFT JOIN balances AS b ON b.tenant_id = a.tenant_id
    AND b.account = {CONN_BALANCE.sql(account="a.stripe_account")}
WHERE a.tenant_id = $1 AND a.payee_id = $2
UNION ALL
SELECT 'asked', o.currency, sum(o.amount_minor)::bigint
FROM payouts AS o
WHERE o.tenant_id = $1 AND o.payee_id = $2 AND o.state = 'REQUESTED'
GROUP BY o.currency
UNION ALL
SELECT 'receivable', d.currency, sum(d.amount_minor - d.reversed_minor - d.netted_minor
    - d.written_off_minor - d.canceled_minor)::bigint
FROM receivables AS d
WHERE d.tenant_id = $1 AND d.payee_id = $2 AND d.state <> 'SETTLED'
GROUP BY d.currency
UNION ALL
SELECT 'in_flight', r.currency, sum(r.sent_minor)::bigint
FROM effects AS f
JOIN releases AS r
    ON r.tenant_id = f.tenant_id AND r.escrow_id = f.escrow_id AND r.release_id = f.subject_id
WHERE f.tenant_id = $1 AND f.payee_id = $2 AND f.kind = 'create_transfer'
AND f.state IN ('PLANNED', 'SENDING', 'UNKNOWN')
GROUP BY r.currency"""


@dataclass(slots=True)
class PayeeRecords:
    """A payee with the payouts that count: those asked for of the account that the payee has now
    and not yet made, and the named one.

    ``connected_minor`` is what the books know of the payee's Stripe account, by currency.
    ``policy_version`` is the tenant's newest.
    """

    payee: Payee
    payouts: list[Payout]
    connected_minor: Mapping[str, int]
    policy_version: int
    effect: Effect | None


class FoundAccount(NamedTuple):
    """Whose an account is or was, and its state: now, or when it was replaced."""

    payee_id: UUID
    state: PayeeState
    is_current: bool


@dataclass(slots=True)
class PartyRecords:
    """A payer and a payee, as far as they were asked for and exist, and the newest policy."""

    payer: Payer | None
    payee: Payee | None
    policy_version: int
    effect: Effect | None


async def load_parties(
    pool: ServicePool,
    unit: UnitOfWork,
    *,
    payer_id: UUID | None = None,
    payee_id: UUID | None = None,
    effect_id: UUID | None = None,
) -> PartyRecords:
    """Reads either party, and whether the operation was done before: one shared round trip.

    Raises:
        Answered, RequestIdReused: see ``answer_replay``.
    """
    arguments = *key_arguments(unit), payer_id, payee_id, effect_id
    row = await pool.loads.row(LOAD_PARTIES, *arguments)
    answer_replay(unit, row["answered"])
    return PartyRecords(
        payer=from_row(Payer, row["payer"]) if row["payer"] else None,
        payee=from_row(Payee, row["payee"]) if row["payee"] else None,
        policy_version=row["policy_version"],
        effect=from_row(Effect, row["effect"]) if row["effect"] else None,
    )


async def load_payer(
    pool: ServicePool, unit: UnitOfWork, payer_id: UUID, *, effect_id: UUID | None = None
) -> PartyRecords:
    """Loads a payer for a change of them, when it is its turn: one shared round trip.

    Raises:
        Answered, RequestIdReused: see ``answer_replay``.
        Overloaded, DeadlineExpired: see ``Turns.take``.
    """
    await pool.turns.take(unit, payer_id)
    return await load_parties(pool, unit, payer_id=payer_id, effect_id=effect_id)


async def load_payee(
    pool: ServicePool,
    unit: UnitOfWork,
    payee_id: UUID,
    *,
    payout_id: UUID | None = None,
    effect_id: UUID | None = None,
) -> PayeeRecords | None:
    """Loads a payee for a change of it or its payouts, when it is its turn: one shared round trip.

    Raises:
        Answered, RequestIdReused: see ``answer_replay``.
        Overloaded, DeadlineExpired: see ``Turns.take``.
    """
    await pool.turns.take(unit, payee_id)
    arguments = *key_arguments(unit), payee_id, payout_id, effect_id
    row = await pool.loads.row(LOAD_PAYEE, *arguments)
    answer_replay(unit, row["answered"])
    if row["payee"] is None:
        return None
    return PayeeRecords(
        payee=from_row(Payee, row["payee"]),
        payouts=[from_row(Payout, payout) for payout in row["payouts"]],
        connected_minor={currency: minor for _, currency, minor in row["balances"]},
        policy_version=row["policy_version"],
        effect=from_row(Effect, row["effect"]) if row["effect"] else None,
    )


async def find_payer(pool: asyncpg.Pool, tenant_id: str, payer_id: UUID) -> Payer | None:
    row = await pool.fetchrow(FIND_PAYER, tenant_id, payer_id)
    return from_row(Payer, row) if row else None


async def find_payee(pool: asyncpg.Pool, tenant_id: str, payee_id: UUID) -> Payee | None:
    row = await pool.fetchrow(FIND_PAYEE, tenant_id, payee_id)
    return from_row(Payee, row) if row else None


async def find_payees(pool: asyncpg.Pool, tenant_id: str, payee_ids: Sequence[UUID]) -> list[Payee]:
    """Those of them that there are, in no order."""
    rows = await pool.fetch(FIND_PAYEES, tenant_id, list(payee_ids))
    return [from_row(Payee, row) for row in rows]


async def find_payer_by_reference(
    pool: asyncpg.Pool, tenant_id: str, reference: str
) -> Payer | None:
    row = await pool.fetchrow(FIND_PAYER_BY_REFERENCE, tenant_id, reference)
    return from_row(Payer, row) if row else None


async def find_payee_by_reference(
    pool: asyncpg.Pool, tenant_id: str, reference: str
) -> Payee | None:
    row = await pool.fetchrow(FIND_PAYEE_BY_REFERENCE, tenant_id, reference)
    return from_row(Payee, row) if row else None


async def find_account(
    pool: asyncpg.Pool, tenant_id: str, stripe_account: str
) -> FoundAccount | None:
    """Whose account it is, or was; None when no payee of ours ever had it."""
    row = await pool.fetchrow(FIND_ACCOUNT, tenant_id, stripe_account)
    return FoundAccount(row[0], PayeeState(row[1]), row[2]) if row else None


async def find_previous_accounts(
    pool: asyncpg.Pool, tenant_id: str, payee_id: UUID
) -> list[PreviousAccount]:
    """The accounts that a payee had, oldest first."""
    rows = await pool.fetch(PREVIOUS_ACCOUNTS, tenant_id, payee_id)
    return [from_row(PreviousAccount, row) for row in rows]


async def find_payout(pool: asyncpg.Pool, tenant_id: str, payout_id: UUID) -> Payout | None:
    row = await pool.fetchrow(FIND_PAYOUT, tenant_id, payout_id)
    return from_row(Payout, row) if row else None


async def find_payouts(
    pool: asyncpg.Pool, tenant_id: str, payee_id: UUID, *, before: UUID | None, limit: int
) -> list[Payout | Unreadable[UUID]]:
    """A payee's newest payouts that were asked for before ``before``."""
    arguments = tenant_id, payee_id, before, limit

    async def together() -> list[Payout]:
        return [from_row(Payout, row) for row in await pool.fetch(LIST_PAYOUTS, *arguments)]

    async def keys() -> list[UUID]:
        return [row[0] for row in await pool.fetch(LIST_PAYOUT_IDS, *arguments)]

    return await read_all(together, keys, lambda key: find_payout(pool, tenant_id, key))


async def find_payee_balances(
    pool: asyncpg.Pool, tenant_id: str, payee_id: UUID, accounts: list[str]
) -> list[tuple[str, str | None, int]]:
    """(account, currency, minor) of these accounts, of "receivable" for what the payee owes, of
    "in_flight" for transfers under way, of "asked" for payouts that are not made yet, and of what
    is in each previous account, without a currency where nothing ever was.
    """
    rows = await pool.fetch(PAYEE_BALANCES, tenant_id, payee_id, accounts)
    return [(row[0], row[1], row[2]) for row in rows]
