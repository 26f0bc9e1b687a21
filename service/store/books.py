"""The books, read for proof: every journal in order, and every check that must find no row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from service.domain.money import CURRENCIES, charge_step_minor
from service.store.pool import INDEX_PLANS

JOURNALS = """\
SELECT j.tenant_id, j.journal_id, j.kind, j.source_type, j.source_id, j.currency,
    ARRAY(SELECT ROW(e.book, e.account, e.currency, e.amount_minor) FROM entries AS e
        WHERE e.tenant_id = j.tenant_id AND e.journal_id = j.journal_id ORDER BY e.line) AS entries
FROM journals AS j
ORDER BY j.tenant_id, j.journal_id"""
BALANCES = "SELECT tenant_id, account, currency, balance_minor FROM balances"

# What an account holds, on its normal side, from the entries alone.
_ACCOUNT = """\
(SELECT coalesce(sum(e.amount_minor), 0) * {side} FROM entries AS e
    WHERE e.tenant_id = {row}.tenant_id AND e.account = {account}
    AND e.currency = {row}.currency)"""


def _of_milestone(part: str) -> str:
    account = f"'liab:escrow:mst_' || replace(m.milestone_id::text, '-', '') || ':{part}'"
    return _ACCOUNT.format(side=-1, row="e0", account=account)


# The smallest amount of a currency (domain/money.py): fees are split in multiples of it.
_STEPS = {code: charge_step_minor(code) for code in CURRENCIES if charge_step_minor(code) > 1}
_WHENS = " ".join(f"WHEN '{code}' THEN {step}" for code, step in _STEPS.items())
_STEP = f"(CASE e0.currency {_WHENS} ELSE 1 END)"
# The currencies that a tenant's books know.
_BOOKS = "(SELECT DISTINCT tenant_id, currency FROM journals) AS b"


def _platform(account: str, side: int) -> str:
    return _ACCOUNT.format(side=side, row="b", account=f"'{account}'")


class Check(NamedTuple):
    """One thing that must hold: ``breaches`` selects the rows for which it does not."""

    name: str
    says: str
    examined: str
    breaches: str


CHECKS: tuple[Check, ...] = (
    Check(
        "I1 zero sum",
        "the entries of a journal sum to zero per book and currency",
        "SELECT count(*) FROM journals",
        """\
SELECT tenant_id, journal_id, book, currency, sum(amount_minor) AS off_minor FROM entries
GROUP BY tenant_id, journal_id, book, currency HAVING sum(amount_minor) <> 0""",
    ),
    Check(
        "I2 stripe",
        "asset:stripe is what settled charges brought less what transfers took",
        "SELECT count(*) FROM payments WHERE stripe_balance_transaction IS NOT NULL",
        f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {_platform("asset:stripe", 1)} AS books_minor,
        (SELECT coalesce(sum(p.amount_minor - p.processing_fee_minor), 0) FROM payments AS p
            WHERE p.tenant_id = b.tenant_id AND p.currency = b.currency
            AND p.stripe_balance_transaction IS NOT NULL)
        - (SELECT coalesce(sum(r.payee_share_minor), 0) FROM releases AS r
            WHERE r.tenant_id = b.tenant_id AND r.currency = b.currency
            AND r.state = 'TRANSFERRED') AS records_minor
    FROM {_BOOKS}
) AS compared WHERE books_minor <> records_minor""",
    ),
    Check(
        "I3 no liability below zero",
        "what belongs to a person or a milestone is never negative",
        "SELECT count(*) FROM balances",
        "SELECT tenant_id, account, currency, balance_minor FROM balances WHERE balance_minor < 0",
    ),
    Check(
        "I4 cover",
        "what is at Stripe, and the fees Stripe kept, cover everything owed to customers",
        f"SELECT count(*) FROM {_BOOKS}",
        """\
SELECT tenant_id, currency,
    sum(amount_minor) FILTER (WHERE account LIKE 'asset:%') AS assets_minor,
    -sum(amount_minor) FILTER (WHERE account LIKE 'liab:%') AS owed_minor
FROM entries WHERE book = 'platform' GROUP BY tenant_id, currency
HAVING coalesce(sum(amount_minor) FILTER (WHERE account LIKE 'asset:%'), 0)
    + coalesce(sum(amount_minor) FILTER (WHERE account LIKE 'liab:%'), 0)
    + coalesce(sum(amount_minor) FILTER (WHERE account = 'exp:processing'), 0) < 0""",
    ),
    Check(
        "I5 I6 milestones",
        "released, refunded and lost are funded; frozen is held",
        "SELECT count(*) FROM milestones",
        """\
SELECT tenant_id, escrow_id, milestone_id, state, amount_minor, funded_minor, released_minor,
    refunded_minor, lost_minor, frozen_minor
FROM milestones
WHERE funded_minor NOT BETWEEN 0 AND amount_minor
    OR least(released_minor, refunded_minor, lost_minor, frozen_minor) < 0
    OR released_minor + refunded_minor + lost_minor + frozen_minor > funded_minor
    OR (state IN ('AWAITING_FUNDS', 'CANCELED') AND funded_minor <> 0)
    OR (state IN ('FUNDED', 'DELIVERED')
        AND funded_minor - released_minor - refunded_minor - lost_minor <= 0)
    OR (state IN ('RELEASING', 'RELEASED') AND released_minor <> funded_minor)""",
    ),
    Check(
        "held",
        "each milestone's accounts hold what its record says",
        "SELECT count(*) FROM milestones",
        f"""\
SELECT * FROM (
    SELECT m.tenant_id, m.escrow_id, m.milestone_id, e0.currency,
        m.funded_minor - m.released_minor - m.refunded_minor - m.lost_minor AS held_minor,
        {_of_milestone("held")} AS books_minor,
        CASE WHEN m.funded_minor = 0 THEN 0 ELSE m.payer_fee_minor
            - (m.released_minor + m.refunded_minor + m.lost_minor)
            * (m.payer_fee_minor / {_STEP}) / m.amount_minor * {_STEP} END AS fee_held_minor,
        {_of_milestone("fee_held")} AS books_fee_minor
    FROM milestones AS m
    JOIN escrows AS e0 ON e0.tenant_id = m.tenant_id AND e0.escrow_id = m.escrow_id
) AS compared WHERE held_minor <> books_minor OR fee_held_minor <> books_fee_minor""",
    ),
    # Each is compared with the one before it, so that every entry is read once.
    Check(
        "snapshots",
        "every snapshot of a balance is the sum of the entries up to it",
        "SELECT count(*) FROM balance_snapshots",
        """\
SELECT * FROM (
    SELECT s.tenant_id, s.account, s.currency, s.through, s.balance_minor, s.entries,
        coalesce(s.balance_before_minor, 0) + coalesce(newer.sum_minor, 0) AS books_minor,
        coalesce(s.entries_before, 0) + newer.entries AS books_entries
    FROM (
        SELECT *, lag(through) OVER earlier AS after,
            lag(balance_minor) OVER earlier AS balance_before_minor,
            lag(entries) OVER earlier AS entries_before
        FROM balance_snapshots
        WINDOW earlier AS (PARTITION BY tenant_id, account, currency ORDER BY through)
    ) AS s
    CROSS JOIN LATERAL (
        SELECT sum(e.amount_minor) AS sum_minor, count(*) AS entries FROM entries AS e
        WHERE e.tenant_id = s.tenant_id AND e.account = s.account AND e.currency = s.currency
        AND e.journal_id > coalesce(s.after, '00000000-0000-0000-0000-000000000000')
        AND e.journal_id <= s.through
    ) AS newer
) AS compared WHERE balance_minor <> books_minor OR entries <> books_entries""",
    ),
    Check(
        "moments",
        "a journal's id is of the moment at which it was booked",
        "SELECT count(*) FROM journals",
        """\
SELECT * FROM (
    SELECT tenant_id, journal_id, created_at, timestamptz 'epoch' + interval '1 millisecond'
        * ('x' || left(replace(journal_id::text, '-', ''), 12))::bit(48)::bigint AS id_of
    FROM journals
) AS compared
WHERE created_at < id_of OR created_at >= id_of + interval '1 millisecond'""",
    ),
    Check(
        "I7 told once",
        "a fact of the world is booked once",
        "SELECT count(*) FROM journals",
        """\
SELECT tenant_id, source_type, source_id, kind, count(*) FROM journals
GROUP BY tenant_id, source_type, source_id, kind HAVING count(*) > 1""",
    ),
    Check(
        "payments",
        "stripe_unsettled is what succeeded and is not settled yet",
        "SELECT count(*) FROM payments",
        f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {_platform("asset:stripe_unsettled", 1)} AS books_minor,
        (SELECT coalesce(sum(
            CASE WHEN p.state = 'SUCCEEDED' THEN p.amount_minor ELSE 0 END
            - CASE WHEN p.stripe_balance_transaction IS NULL THEN 0 ELSE p.amount_minor END
        ), 0) FROM payments AS p
            WHERE p.tenant_id = b.tenant_id AND p.currency = b.currency) AS records_minor
    FROM {_BOOKS}
) AS compared WHERE books_minor <> records_minor""",
    ),
    Check(
        "payable",
        "a payee's payable is what was released and is not on its way",
        "SELECT count(*) FROM releases",
        """\
SELECT * FROM (
    SELECT tenant_id, currency, payee_id, sum(books_minor) AS books_minor,
        sum(records_minor) AS records_minor
    FROM (
        SELECT tenant_id, currency, split_part(account, ':', 3) AS payee_id,
            -amount_minor AS books_minor, 0 AS records_minor
        FROM entries WHERE account LIKE 'liab:payee:%:payable'
        UNION ALL
        SELECT tenant_id, currency, 'pye_' || replace(payee_id::text, '-', ''), 0,
            payee_share_minor
        FROM releases WHERE state = 'WAITING'
    ) AS both_sides GROUP BY tenant_id, currency, payee_id
) AS compared WHERE books_minor <> records_minor""",
    ),
    Check(
        "in flight",
        "liab:transfers_in_flight is what open transfers carry",
        "SELECT count(*) FROM effects WHERE kind = 'create_transfer'",
        f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {_platform("liab:transfers_in_flight", -1)} AS books_minor,
        (SELECT coalesce(sum(r.payee_share_minor), 0) FROM releases AS r
            WHERE r.tenant_id = b.tenant_id AND r.currency = b.currency
            AND r.state = 'IN_FLIGHT') AS records_minor
    FROM {_BOOKS}
) AS compared WHERE books_minor <> records_minor""",
    ),
    Check(
        "transfers",
        "a release in flight has an open effect, and a transferred one a transfer at Stripe",
        "SELECT count(*) FROM releases",
        """\
SELECT r.tenant_id, r.escrow_id, r.release_id, r.state, f.effect_id, f.state AS effect_state
FROM releases AS r
LEFT JOIN effects AS f ON f.tenant_id = r.tenant_id AND f.effect_id = r.effect_id
WHERE (r.state = 'IN_FLIGHT'
        AND coalesce(f.state, '') NOT IN ('PLANNED', 'SENDING', 'UNKNOWN'))
    OR (r.state = 'TRANSFERRED' AND r.payee_share_minor > 0
        AND (f.state IS DISTINCT FROM 'SUCCEEDED' OR r.stripe_transfer IS NULL))
    OR (r.state = 'WAITING' AND f.state IS NOT NULL AND f.state <> 'REJECTED')""",
    ),
    Check(
        "connected",
        "a connected account's book is what transfers brought less what payouts took",
        "SELECT count(*) FROM payouts",
        """\
SELECT * FROM (
    SELECT tenant_id, currency, stripe_account,
        sum(balance_minor) AS balance_minor, sum(expected_minor) AS expected_minor,
        sum(in_transit_minor) AS in_transit_minor,
        sum(expected_in_transit_minor) AS expected_in_transit_minor
    FROM (
        SELECT tenant_id, currency, split_part(account, ':', 2) AS stripe_account,
            CASE WHEN account LIKE '%:balance' THEN amount_minor ELSE 0 END AS balance_minor,
            0 AS expected_minor,
            CASE WHEN account LIKE '%:in_transit' THEN amount_minor ELSE 0 END
                AS in_transit_minor,
            0 AS expected_in_transit_minor
        FROM entries WHERE book = 'connected'
        UNION ALL
        SELECT r.tenant_id, r.currency, z.stripe_account, 0, r.payee_share_minor, 0, 0
        FROM releases AS r
        JOIN payees AS z ON z.tenant_id = r.tenant_id AND z.payee_id = r.payee_id
        WHERE r.state = 'TRANSFERRED' AND r.payee_share_minor > 0
        UNION ALL
        SELECT o.tenant_id, o.currency, z.stripe_account, 0,
            CASE WHEN o.state IN ('PENDING', 'IN_TRANSIT', 'PAID') THEN -o.amount_minor
                ELSE 0 END, 0,
            CASE WHEN o.state IN ('PENDING', 'IN_TRANSIT') THEN o.amount_minor ELSE 0 END
        FROM payouts AS o
        JOIN payees AS z ON z.tenant_id = o.tenant_id AND z.payee_id = o.payee_id
    ) AS both_sides GROUP BY tenant_id, currency, stripe_account
) AS compared
WHERE balance_minor <> expected_minor OR in_transit_minor <> expected_in_transit_minor""",
    ),
    Check(
        "timeline",
        "every version of an escrow is one operation, without a gap",
        "SELECT count(*) FROM escrows",
        """\
SELECT e.tenant_id, e.escrow_id, e.version, count(o.operation_id) AS operations
FROM escrows AS e
LEFT JOIN operations AS o ON o.tenant_id = e.tenant_id AND o.escrow_id = e.escrow_id
GROUP BY e.tenant_id, e.escrow_id, e.version
HAVING count(o.operation_id) <> e.version OR max(o.escrow_version) <> e.version""",
    ),
    Check(
        "events",
        "an event that was processed left the operation that did it",
        "SELECT count(*) FROM stripe_events",
        """\
SELECT s.tenant_id, s.event_id, s.type FROM stripe_events AS s
WHERE s.state = 'PROCESSED' AND NOT EXISTS (
    SELECT 1 FROM operations AS o
    WHERE o.tenant_id = s.tenant_id AND o.caller = 'stripe'
    AND o.kind = 'apply_stripe_event' AND o.key = s.event_id
)""",
    ),
    Check(
        "I9 append-only",
        "the service's role cannot change or remove what was booked",
        "SELECT 10",
        """\
SELECT name, privilege
FROM unnest(
        ARRAY['operations', 'journals', 'entries', 'line_items', 'balance_snapshots']
    ) AS name,
    unnest(ARRAY['UPDATE', 'DELETE']) AS privilege
WHERE has_table_privilege('escrow_service', name, privilege)""",
    ),
)

# I8: not breaches, but what an operator wants to see drain.
WAITING: Mapping[str, str] = {
    "open effects": """\
SELECT count(*), min(created_at) FROM effects WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')""",
    "payments not settled": """\
SELECT count(*), min(updated_at) FROM payments
WHERE state = 'SUCCEEDED' AND stripe_balance_transaction IS NULL""",
    "releases waiting for their payee or a retry": """\
SELECT count(*), min(created_at) FROM releases WHERE state = 'WAITING'""",
    "events to apply": """\
SELECT count(*), min(received_at) FROM stripe_events WHERE state IN ('RECEIVED', 'PARKED')""",
    "journals from beyond the database's clock": """\
SELECT count(*), min(j.created_at)
FROM closings AS c
JOIN journals AS j ON j.tenant_id = c.tenant_id AND j.journal_id > (
    lpad(to_hex(extract(epoch FROM now() + interval '1 minute')::bigint * 1000), 12, '0')
    || repeat('0', 20)
)::uuid""",
    "events set aside for a person": """\
SELECT count(*), min(received_at) FROM stripe_events
WHERE state IN ('QUARANTINED', 'SUSPENSE')""",
}


@asynccontextmanager
async def one_moment(pool: asyncpg.Pool) -> AsyncIterator[PoolConnectionProxy]:
    """A connection that sees the books as they are at one moment, and can change nothing.

    Checks read whole tables, so here the planner may join and scan as it likes.
    """
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for setting in INDEX_PLANS:
            await connection.execute(f"SET LOCAL {setting} = on")
        yield connection
