"""What payees own, here and in their Stripe accounts."""

from __future__ import annotations

from service.domain import accounts
from service.domain.postings import JournalKind
from service.store.checks.check import Check

# What of a receivable's reversal has come back, in the currency of the transfer.
REVERSED = """coalesce(
            brought_minor, div(reversal_minor::numeric * reversed_minor, reversible_minor)
        )"""
# A payee's id as it stands in the names of their accounts.
_PAYEE = "'pye_' || replace(payee_id::text, '-', '')"

PAYABLE_TO_PAYEES = Check(
    "payable",
    "a payee's payable is what was released and is not on its way",
    "SELECT count(*) FROM releases",
    f"""\
SELECT * FROM (
    SELECT tenant_id, currency, payee_id, sum(books_minor) AS books_minor,
        sum(records_minor) AS records_minor
    FROM (
        SELECT tenant_id, currency, split_part(account, ':', 3) AS payee_id,
            -amount_minor AS books_minor, 0 AS records_minor
        FROM entries WHERE account LIKE '{accounts.PAYABLE.like}'
        UNION ALL
        SELECT tenant_id, currency, {_PAYEE}, 0,
            payee_share_minor - netted_minor
        FROM releases WHERE state = 'WAITING'
    ) AS both_sides GROUP BY tenant_id, currency, payee_id
) AS compared WHERE books_minor <> records_minor""",
)
TRANSFERS = Check(
    "transfers",
    "a release in flight has an open effect, and a transferred one a transfer at Stripe",
    "SELECT count(*) FROM releases",
    """\
SELECT r.tenant_id, r.escrow_id, r.release_id, r.state, f.effect_id, f.state AS effect_state
FROM releases AS r
LEFT JOIN effects AS f ON f.tenant_id = r.tenant_id AND f.effect_id = r.effect_id
WHERE (r.state = 'IN_FLIGHT'
        AND coalesce(f.state, '') NOT IN ('PLANNED', 'SENDING', 'UNKNOWN'))
    OR (r.state IN ('IN_FLIGHT', 'TRANSFERRED')
        AND r.payee_share_minor - r.netted_minor
            <> coalesce(r.sent_minor, 0) - r.recalled_minor
        AND coalesce(r.transfer_minor, 1) > 0)
    OR (r.state = 'TRANSFERRED' AND coalesce(r.transfer_minor, r.sent_minor, 0) > 0
        AND (f.state IS DISTINCT FROM 'SUCCEEDED' OR r.stripe_transfer IS NULL))
    OR (r.state = 'WAITING' AND f.state IS NOT NULL AND f.state <> 'REJECTED')""",
)
RECEIVABLES = Check(
    "receivables",
    "what a payee owes is what was refunded after it had left, and has not come back",
    "SELECT count(*) FROM receivables",
    f"""\
SELECT * FROM (
    SELECT tenant_id, currency, payee_id, sum(books_minor) AS books_minor,
        sum(records_minor) AS records_minor
    FROM (
        SELECT tenant_id, currency, split_part(account, ':', 4) AS payee_id,
            amount_minor AS books_minor, 0 AS records_minor
        FROM entries WHERE account LIKE '{accounts.RECEIVABLE.like}'
        UNION ALL
        SELECT tenant_id, currency, {_PAYEE}, 0, amount_minor - reversed_minor - netted_minor
            - written_off_minor - canceled_minor
        FROM receivables
    ) AS both_sides GROUP BY tenant_id, currency, payee_id
) AS compared WHERE books_minor <> records_minor""",
)
# By the account that each was sent to, which the payee may have left since.
CONNECTED_ACCOUNTS = Check(
    "connected",
    "a connected account's book is what transfers brought less what payouts took",
    "SELECT count(*) FROM payouts",
    f"""\
SELECT * FROM (
    SELECT tenant_id, currency, stripe_account,
        sum(balance_minor) AS balance_minor, sum(expected_minor) AS expected_minor,
        sum(in_transit_minor) AS in_transit_minor,
        sum(expected_in_transit_minor) AS expected_in_transit_minor
    FROM (
        SELECT tenant_id, currency, split_part(account, ':', 2) AS stripe_account,
            CASE WHEN account LIKE '{accounts.CONN_BALANCE.like}' THEN amount_minor ELSE 0 END
                AS balance_minor,
            0 AS expected_minor,
            CASE WHEN account LIKE '{accounts.CONN_IN_TRANSIT.like}' THEN amount_minor ELSE 0 END
                AS in_transit_minor,
            0 AS expected_in_transit_minor
        FROM entries WHERE book = '{accounts.CONNECTED}'
        UNION ALL
        SELECT r.tenant_id, coalesce(r.transfer_currency, r.currency),
            f.request ->> 'destination', 0,
            coalesce(r.transfer_minor, r.sent_minor), 0, 0
        FROM releases AS r
        JOIN effects AS f ON f.tenant_id = r.tenant_id AND f.effect_id = r.effect_id
        WHERE r.state = 'TRANSFERRED' AND r.sent_minor > 0
        UNION ALL
        SELECT tenant_id, reversal_currency, stripe_account, 0,
            -{REVERSED}, 0, 0
        FROM receivables WHERE reversed_minor > 0
        UNION ALL
        SELECT e.tenant_id, e.currency, split_part(e.account, ':', 2), 0, e.amount_minor, 0, 0
        FROM journals AS j
        JOIN entries AS e ON e.tenant_id = j.tenant_id AND e.journal_id = j.journal_id
        WHERE j.kind IN (
            '{JournalKind.ARRIVED_CONVERTED}', '{JournalKind.RETURNED_CONVERTED}',
            '{JournalKind.GIVEN_BACK}', '{JournalKind.GIVEN_BACK_CONVERTED}',
            '{JournalKind.REVERSAL_KEPT}'
        )
        AND e.account LIKE '{accounts.CONN_BALANCE.like}'
        UNION ALL
        SELECT o.tenant_id, o.currency, f.stripe_account, 0,
            CASE WHEN o.state IN ('PENDING', 'IN_TRANSIT', 'PAID') THEN -o.amount_minor
                ELSE 0 END, 0,
            CASE WHEN o.state IN ('PENDING', 'IN_TRANSIT') THEN o.amount_minor ELSE 0 END
        FROM payouts AS o
        JOIN effects AS f ON f.tenant_id = o.tenant_id AND f.effect_id = o.payout_id
    ) AS both_sides GROUP BY tenant_id, currency, stripe_account
) AS compared
WHERE balance_minor <> expected_minor OR in_transit_minor <> expected_in_transit_minor""",
)
