"""What a name names: any id of ours, any of Stripe's that is stored, any reference of a caller's.

Every column that holds such a name is asked, each by its index. Ids are UUIDv7 and all that one
operation makes is of its moment: so an id below an escrow, which begins no index, is found by the
operations of that moment.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from uuid import UUID

from service.domain import ids
from service.domain.ids import same_moment
from service.store.books import Connection

MOST_EACH = 20  # of one kind by one column: references need not be unique


class Named(NamedTuple):
    """Something that has the name: its kind, its id as people write it, and its escrow's."""

    kind: str
    id: str
    escrow_id: UUID | None


class _Column(NamedTuple):
    """A column that holds names. ``prefix`` is of our id; "" where ``key`` is the id itself."""

    kind: str
    table: str
    column: str
    key: str
    prefix: str = ""
    escrow: str = "NULL::uuid"


_ESCROW = ids.ESCROW, "x.escrow_id"
_PAYMENT = "payment_id", ids.PAYMENT, "x.escrow_id"
_JOURNALS_ESCROW = """(SELECT j.escrow_id FROM journals AS j
        WHERE j.tenant_id = x.tenant_id AND j.journal_id = x.journal_id)"""
TEXTS = (
    _Column("escrow", "escrows", "reference", "escrow_id", *_ESCROW),
    _Column("payer", "payers", "reference", "payer_id", ids.PAYER),
    _Column("payee", "payees", "reference", "payee_id", ids.PAYEE),
    _Column("payer", "payers", "stripe_customer", "payer_id", ids.PAYER),
    _Column("payee", "payees", "stripe_account", "payee_id", ids.PAYEE),
    _Column("payee", "previous_accounts", "stripe_account", "payee_id", ids.PAYEE),
    _Column("payment", "payments", "stripe_payment_intent", *_PAYMENT),
    _Column("payment", "payments", "stripe_checkout_session", *_PAYMENT),
    _Column("payment", "payments", "stripe_charge", *_PAYMENT),
    _Column("release", "releases", "stripe_transfer", "release_id", ids.RELEASE, "x.escrow_id"),
    _Column("payout", "payouts", "stripe_payout", "payout_id", ids.PAYOUT),
    _Column("refund", "refunds", "stripe_refund", "refund_id", ids.REFUND, "x.escrow_id"),
    _Column("freeze", "freezes", "source", "freeze_id", ids.FREEZE, "x.escrow_id"),
    _Column(
        *("chargeback", "chargebacks", "stripe_dispute"),
        *("chargeback_id", ids.CHARGEBACK, "x.escrow_id"),
    ),
    _Column("event", "stripe_events", "event_id", "event_id"),
    _Column(
        *("balance_transaction", "balance_transactions", "balance_transaction_id"),
        *("balance_transaction_id", "", _JOURNALS_ESCROW),
    ),
)
KEYS = (
    _Column("escrow", "escrows", "escrow_id", "escrow_id", *_ESCROW),
    _Column("payment", "payments", "payment_id", *_PAYMENT),
    _Column("payer", "payers", "payer_id", "payer_id", ids.PAYER),
    _Column("payee", "payees", "payee_id", "payee_id", ids.PAYEE),
    _Column("payout", "payouts", "payout_id", "payout_id", ids.PAYOUT),
    _Column("refund", "refunds", "refund_id", "refund_id", ids.REFUND, "x.escrow_id"),
    _Column(
        "receivable", "receivables", "receivable_id", "receivable_id", ids.RECEIVABLE, "x.escrow_id"
    ),
    _Column(
        *("chargeback", "chargebacks", "chargeback_id"),
        *("chargeback_id", ids.CHARGEBACK, "x.escrow_id"),
    ),
    _Column("dispute", "disputes", "dispute_id", "dispute_id", ids.DISPUTE, "x.escrow_id"),
    _Column("effect", "effects", "effect_id", "effect_id", ids.EFFECT, "x.escrow_id"),
    _Column("journal", "journals", "journal_id", "journal_id", ids.JOURNAL, "x.escrow_id"),
)
CHILDREN = (
    _Column("milestone", "milestones", "milestone_id", "milestone_id", ids.MILESTONE),
    _Column("release", "releases", "release_id", "release_id", ids.RELEASE),
    _Column("freeze", "freezes", "freeze_id", "freeze_id", ids.FREEZE),
    _Column("deadline", "deadlines", "deadline_id", "deadline_id", ids.DEADLINE),
    _Column("proposal", "proposals", "proposal_id", "proposal_id", ids.PROPOSAL),
)


def _shown(named: _Column) -> str:
    if not named.prefix:
        return f"x.{named.key}"
    return f"'{named.prefix}_' || replace(x.{named.key}::text, '-', '')"


def _found_by(named: _Column) -> str:
    return f"""\
(SELECT '{named.kind}' AS kind, {_shown(named)} AS id, {named.escrow} AS escrow_id
    FROM {named.table} AS x WHERE x.tenant_id = $1 AND x.{named.column} = $2
    ORDER BY x.{named.key} DESC LIMIT {MOST_EACH})"""


def _found_below(named: _Column) -> str:
    return f"""\
(SELECT '{named.kind}' AS kind, {_shown(named)} AS id, x.escrow_id
    FROM near
    JOIN {named.table} AS x ON x.tenant_id = $1 AND x.escrow_id = near.escrow_id
    AND x.{named.column} = $2)"""


_EACH = "\nUNION ALL\n"
BY_TEXT = f"SELECT * FROM (\n{_EACH.join(map(_found_by, TEXTS))}\n) AS found"
BY_ID = f"SELECT * FROM (\n{_EACH.join(map(_found_by, KEYS))}\n) AS found"
BY_MOMENT = f"""\
WITH near AS MATERIALIZED (
    SELECT DISTINCT o.escrow_id FROM operations AS o
    WHERE o.tenant_id = $1 AND o.operation_id BETWEEN $3 AND $4 AND o.escrow_id IS NOT NULL
)
{_EACH.join(map(_found_below, CHILDREN))}"""
_OPERATION = "'operation' AS kind, o.operation_id::text AS id, o.escrow_id"
BY_OPERATION = f"""\
SELECT {_OPERATION} FROM operations AS o WHERE o.tenant_id = $1 AND o.operation_id = $2"""
# A request id is unique for its caller and method, who are few: from each pair to the next.
BY_REQUEST = f"""\
WITH RECURSIVE asked (caller, kind) AS (
    (SELECT o.caller, o.kind FROM operations AS o
        WHERE o.tenant_id = $1 ORDER BY o.caller, o.kind LIMIT 1)
    UNION ALL
    SELECT next.caller, next.kind
    FROM asked
    CROSS JOIN LATERAL (
        SELECT o.caller, o.kind FROM operations AS o
        WHERE o.tenant_id = $1 AND (o.caller, o.kind) > (asked.caller, asked.kind)
        ORDER BY o.caller, o.kind LIMIT 1
    ) AS next
)
SELECT {_OPERATION}
FROM asked
JOIN operations AS o ON o.tenant_id = $1 AND o.caller = asked.caller AND o.kind = asked.kind
    AND o.key = ANY($2::text[])"""

_OURS = re.compile(rf"({'|'.join(each.prefix for each in (*KEYS, *CHILDREN))})_([0-9a-f]{{32}})")
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


async def find_named(pool: Connection, tenant_id: str, name: str) -> list[Named]:
    """All that have this name, each once; empty when nothing has it."""
    ours = _OURS.fullmatch(name)
    bare = _UUID.fullmatch(name)
    rows = list(await pool.fetch(BY_TEXT, tenant_id, name))
    if ours or bare:
        uuid = UUID(ours[2] if ours else name)
        rows += await pool.fetch(BY_ID, tenant_id, uuid)
        rows += await pool.fetch(BY_MOMENT, tenant_id, uuid, *same_moment(uuid))
    if ours:  # of another kind, in theory, with the same digits
        rows = [row for row in rows if row["id"] == name] or rows
    if bare:
        rows += await pool.fetch(BY_OPERATION, tenant_id, UUID(name))
        requests = list({name, str(UUID(name))})
        rows += await pool.fetch(BY_REQUEST, tenant_id, requests)
    return list(dict.fromkeys(Named(*row) for row in rows))
