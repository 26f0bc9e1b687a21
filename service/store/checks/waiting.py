"""What is no breach, but what an operator wants to see drain (invariant I8)."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain.accounts import BROUGHT_UNEXPLAINED, SUSPENSE, TAKEN_UNEXPLAINED
from service.domain.postings import JournalKind
from service.domain.records.effect import NEEDS_PERSON
from service.store.chargebacks import UNSETTLED

# Each: how many, and since when the oldest waits.
WAITING: Mapping[str, str] = {
    "open effects": """\
SELECT count(*), min(created_at) FROM effects WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN')""",
    "open effects whose answer does not fit, for a person (escrow effects list)": f"""\
SELECT count(*), min(created_at) FROM effects
WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN') AND error ? '{NEEDS_PERSON}'""",
    "payments not settled": """\
SELECT count(*), min(updated_at) FROM payments
WHERE state = 'SUCCEEDED' AND stripe_balance_transaction IS NULL""",
    "releases waiting for their payee or a retry": """\
SELECT count(*), min(created_at) FROM releases WHERE state = 'WAITING'""",
    "refunds that are not with the payer": """\
SELECT count(*), min(created_at) FROM refunds
WHERE state IN ('REQUESTED', 'PENDING', 'REQUIRES_ACTION')""",
    "refunds that failed, for a person (escrow refunds list)": """\
SELECT count(*), min(created_at) FROM refunds WHERE state = 'FAILED'""",
    "chargebacks that nobody has settled (escrow chargebacks list --unsettled)": f"""\
SELECT count(*), min(coalesce(lost_at, updated_at)) FROM chargebacks
WHERE {UNSETTLED.format(row="chargebacks")}""",
    "disputes that an operator has to decide (escrow disputes list --state mediation)": """\
SELECT count(*), min(updated_at) FROM disputes WHERE state = 'MEDIATION'""",
    "what payees owe (escrow receivables list)": """\
SELECT count(*), min(created_at) FROM receivables WHERE state <> 'SETTLED'""",
    "what waits for a second person (escrow approvals list)": """\
SELECT count(*), min(created_at) FROM approvals WHERE state = 'WAITING' AND expires_at > now()""",
    "deadlines that were put off (escrow deadlines list)": """\
SELECT count(*), min(due_at) FROM deadlines WHERE refusal IS NOT NULL""",
    "events to apply": """\
SELECT count(*), min(received_at) FROM stripe_events WHERE state IN ('RECEIVED', 'PARKED')""",
    "operations older than a minute without a position in their sequence": """\
SELECT count(*), min(o.occurred_at)
FROM operations AS o
WHERE o.occurred_at < now() - interval '1 minute' AND NOT EXISTS (
    SELECT 1 FROM positions AS p
    WHERE p.tenant_id = o.tenant_id AND p.operation_id = o.operation_id
)""",
    "journals from beyond the database's clock": """\
SELECT count(*), min(j.created_at)
FROM closings AS c
JOIN journals AS j ON j.tenant_id = c.tenant_id AND j.journal_id > (
    lpad(to_hex(extract(epoch FROM now() + interval '1 minute')::bigint * 1000), 12, '0')
    || repeat('0', 20)
)::uuid""",
    "freezes": """\
SELECT count(*), min(created_at) FROM freezes WHERE state = 'OPEN'""",
    "payments in suspense (escrow suspense list)": f"""\
SELECT count(*), min(j.created_at)
FROM balances AS b
JOIN journals AS j ON j.tenant_id = b.tenant_id AND j.source_type = 'payment'
    AND j.source_id = split_part(b.account, ':', 3) AND j.kind = '{JournalKind.PAYMENT_UNEXPECTED}'
WHERE b.balance_minor > 0 AND b.account LIKE '{SUSPENSE.like}'""",
    "balance transactions that nobody has explained": f"""\
SELECT count(*), min(t.recorded_at)
FROM balances AS b
JOIN balance_transactions AS t ON t.tenant_id = b.tenant_id
    AND t.balance_transaction_id = split_part(b.account, ':', 3)
WHERE b.balance_minor > 0
AND (b.account LIKE '{TAKEN_UNEXPLAINED.like}' OR b.account LIKE '{BROUGHT_UNEXPLAINED.like}')""",
    "accounts at Stripe that were never read (escrow sweep)": """\
SELECT count(*), min(due_at) FROM sweeps WHERE swept_through IS NULL AND stripe_account = ''""",
    "balance transactions that cannot be booked yet": """\
SELECT count(*), min(first_seen_at) FROM undecided_transactions WHERE decided_at IS NULL""",
    "events set aside for a person (escrow events list)": """\
SELECT count(*), min(received_at) FROM stripe_events
WHERE state IN ('QUARANTINED', 'SUSPENSE')""",
}
