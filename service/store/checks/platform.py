"""What the platform's own accounts come to, against the records."""

from __future__ import annotations

from service.domain import accounts
from service.store.checks.check import BOOKS, Check, platform

# Before Stripe's list was read for the first time, older bookings have no rows (migration 0006).
_READ = """NOT EXISTS (
    SELECT 1 FROM sweeps AS s
    WHERE s.tenant_id = {}.tenant_id AND s.stripe_account = '' AND s.swept_through IS NULL
)"""
PAID = "coalesce(p.received_minor, p.amount_minor)"
STRIPE_BALANCE = Check(
    "I2 stripe",
    f"{accounts.STRIPE.template} is the sum of Stripe's balance transactions (escrow sweep)",
    "SELECT count(*) FROM balance_transactions WHERE book = 'platform'",
    f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {platform(accounts.STRIPE)} AS books_minor,
        (SELECT coalesce(sum(t.net_minor), 0) FROM balance_transactions AS t
            WHERE t.tenant_id = b.tenant_id AND t.currency = b.currency
            AND t.book = 'platform') AS stripe_minor
    FROM {BOOKS}
) AS compared WHERE books_minor <> stripe_minor AND {_READ.format("compared")}""",
)
MOVED_BY = Check(
    "I2 moved by",
    f"what moves {accounts.STRIPE.template} names its balance transaction (escrow sweep)",
    f"SELECT count(*) FROM entries WHERE account = '{accounts.STRIPE.template}'",
    f"""\
SELECT moved.*, t.balance_transaction_id, t.net_minor FROM (
    SELECT tenant_id, journal_id, currency, sum(amount_minor) AS moved_minor FROM entries
    WHERE account = '{accounts.STRIPE.template}' GROUP BY tenant_id, journal_id, currency
) AS moved
LEFT JOIN balance_transactions AS t ON t.tenant_id = moved.tenant_id
    AND t.journal_id = moved.journal_id AND t.book = 'platform'
WHERE (t.net_minor IS DISTINCT FROM moved.moved_minor OR t.currency <> moved.currency)
AND {_READ.format("moved")}""",
)
# Stripe's fees, exchange losses and bad debts: a shortfall of the platform, and no breach.
_BORNE = ", ".join(
    f"'{account.template}'"
    for account in (accounts.PROCESSING, accounts.DISPUTE_FEE, accounts.FX, accounts.BAD_DEBT)
)
COVER = Check(
    "I4 cover",
    "what is at Stripe, what the platform bore and what other business took cover all that is owed",
    f"SELECT count(*) FROM {BOOKS}",
    f"""\
SELECT tenant_id, currency,
    sum(amount_minor) FILTER (WHERE account LIKE '{accounts.ANY_ASSET}') AS assets_minor,
    -sum(amount_minor) FILTER (WHERE account LIKE '{accounts.ANY_LIABILITY}') AS owed_minor
FROM entries WHERE book = '{accounts.PLATFORM}' GROUP BY tenant_id, currency
HAVING coalesce(sum(amount_minor) FILTER (WHERE account LIKE '{accounts.ANY_ASSET}'), 0)
    + coalesce(sum(amount_minor) FILTER (WHERE account LIKE '{accounts.ANY_LIABILITY}'), 0)
    + coalesce(sum(amount_minor)
        FILTER (WHERE account IN ({_BORNE})), 0)
    + greatest(coalesce(sum(amount_minor)
        FILTER (WHERE account = '{accounts.OTHER_BUSINESS.template}'), 0), 0) < 0""",
)
UNSETTLED_PAYMENTS = Check(
    "payments",
    "stripe_unsettled is what succeeded and is not settled yet",
    "SELECT count(*) FROM payments",
    f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {platform(accounts.UNSETTLED)} AS books_minor,
        (SELECT coalesce(sum(
            CASE WHEN p.state = 'SUCCEEDED' THEN {PAID} ELSE 0 END
            - CASE WHEN p.stripe_balance_transaction IS NULL THEN 0 ELSE {PAID} END
        ), 0) FROM payments AS p
            WHERE p.tenant_id = b.tenant_id AND p.currency = b.currency) AS records_minor
    FROM {BOOKS}
) AS compared WHERE books_minor <> records_minor""",
)
# What a refused transfer takes goes back into the position until it is tried again.
_TAKEN_BACK = """(SELECT coalesce(sum(r.{amount}), 0) FROM releases AS r
            WHERE r.tenant_id = b.tenant_id AND r.{currency} = b.currency
            AND r.state = 'WAITING' AND r.transfer_minor IS NOT NULL)"""
# What a refund takes leaves the position when Stripe takes it, but for what payees still have.
_REFUNDS = """(SELECT coalesce(sum(CASE
            WHEN r.chargeback_id IS NULL
            AND (r.balance_transaction IS NULL OR r.failure_transaction IS NOT NULL)
            THEN r.{whole} ELSE 0 END), 0)
            FROM refunds AS r
            JOIN payments AS p ON p.tenant_id = r.tenant_id AND p.payment_id = r.payment_id
            WHERE r.tenant_id = b.tenant_id AND p.{currency} = b.currency
            AND p.settled_currency IS NOT NULL
            AND r.state NOT IN ('REJECTED', 'PUT_BACK', 'PAID_OUTSIDE'))
        - (SELECT coalesce(sum(t.{share}), 0)
            FROM refund_parts AS t
            JOIN refunds AS r ON r.tenant_id = t.tenant_id AND r.escrow_id = t.escrow_id
                AND r.refund_id = t.refund_id
            JOIN payments AS p ON p.tenant_id = r.tenant_id AND p.payment_id = r.payment_id
            WHERE t.tenant_id = b.tenant_id AND p.{currency} = b.currency
            AND p.settled_currency IS NOT NULL AND t.origin = 'PAYEE'
            AND r.state NOT IN ('REJECTED', 'PUT_BACK'))
        + (SELECT coalesce(sum({back}), 0) FROM receivables AS d
            JOIN refunds AS r ON r.tenant_id = d.tenant_id AND r.escrow_id = d.escrow_id
                AND r.refund_id = d.refund_id
            JOIN payments AS p ON p.tenant_id = r.tenant_id AND p.payment_id = r.payment_id
            WHERE d.tenant_id = b.tenant_id AND p.{currency} = b.currency
            AND p.settled_currency IS NOT NULL AND r.state NOT IN ('REJECTED', 'PUT_BACK'))"""
_REFUNDS_PAID = _REFUNDS.format(
    whole="amount_minor",
    currency="currency",
    share="payee_share_minor",
    back="d.reversed_minor + d.netted_minor + d.written_off_minor",
)
_REFUNDS_SETTLED = _REFUNDS.format(
    whole="settled_minor",
    currency="settled_currency",
    share="settled_share_minor",
    # What was netted or written off is all that was left of it.
    back="CASE WHEN d.netted_minor + d.written_off_minor > 0 THEN d.reversal_minor"
    " ELSE coalesce(d.brought_minor, div(d.reversal_minor::numeric * d.reversed_minor,"
    " nullif(d.reversible_minor, 0)), 0) END",
)
EXCHANGE = Check(
    "exchange",
    f"{accounts.EXCHANGE.template} is what was paid, settled in another currency and not gone yet",
    "SELECT count(*) FROM payments WHERE settled_currency IS NOT NULL",
    f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {platform(accounts.EXCHANGE)} AS books_minor,
        (SELECT coalesce(sum({PAID} - p.converted_minor), 0) FROM payments AS p
            WHERE p.tenant_id = b.tenant_id AND p.currency = b.currency
            AND p.settled_currency IS NOT NULL)
        + {_TAKEN_BACK.format(amount="payee_share_minor - r.netted_minor", currency="currency")}
        + {_REFUNDS_PAID}
        - (SELECT coalesce(sum(p.settled_minor - p.converted_into_minor), 0) FROM payments AS p
            WHERE p.tenant_id = b.tenant_id AND p.settled_currency = b.currency)
        - {_TAKEN_BACK.format(amount="transfer_minor", currency="transfer_currency")}
        - ({_REFUNDS_SETTLED})
            AS records_minor
    FROM {BOOKS}
) AS compared WHERE books_minor <> records_minor""",
)
TRANSFERS_IN_FLIGHT = Check(
    "in flight",
    f"{accounts.TRANSFERS_IN_FLIGHT.template} is what open transfers carry",
    "SELECT count(*) FROM effects WHERE kind = 'create_transfer'",
    f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {platform(accounts.TRANSFERS_IN_FLIGHT)} AS books_minor,
        (SELECT coalesce(sum(coalesce(r.transfer_minor, r.sent_minor)), 0)
            FROM releases AS r
            WHERE r.tenant_id = b.tenant_id AND r.state = 'IN_FLIGHT'
            AND coalesce(r.transfer_currency, r.currency) = b.currency) AS records_minor
    FROM {BOOKS}
) AS compared WHERE books_minor <> records_minor""",
)
# A refund that failed is in flight until somebody says what becomes of it.
REFUNDS_IN_FLIGHT = Check(
    "refunds",
    f"{accounts.REFUNDS_IN_FLIGHT.template} is what refunds carry that have not left Stripe",
    "SELECT count(*) FROM refunds",
    f"""\
SELECT * FROM (
    SELECT b.tenant_id, b.currency, {platform(accounts.REFUNDS_IN_FLIGHT)} AS books_minor,
        (SELECT coalesce(sum(r.amount_minor), 0) FROM refunds AS r
            WHERE r.tenant_id = b.tenant_id AND r.currency = b.currency
            AND r.state NOT IN ('REJECTED', 'PUT_BACK', 'PAID_OUTSIDE', 'CHARGED_BACK')
            AND (r.balance_transaction IS NULL OR r.failure_transaction IS NOT NULL)
        ) AS records_minor
    FROM {BOOKS}
) AS compared WHERE books_minor <> records_minor""",
)
DISPUTE_FEES = Check(
    "dispute fees",
    "what payees bear of a chargeback's fee is what they were asked for by its settlement",
    "SELECT count(*) FROM chargebacks",
    """\
SELECT * FROM (
    SELECT c.tenant_id, c.chargeback_id, c.passed_on_minor,
        (SELECT coalesce(sum(d.amount_minor - d.canceled_minor), 0)
            FROM refunds AS r
            JOIN receivables AS d ON d.tenant_id = r.tenant_id AND d.refund_id = r.refund_id
            WHERE r.tenant_id = c.tenant_id AND r.escrow_id = c.escrow_id
            AND r.chargeback_id = c.chargeback_id AND r.state = 'CHARGED_BACK'
            AND d.release_id IS NULL) AS asked_minor
    FROM chargebacks AS c
) AS compared WHERE passed_on_minor <> asked_minor""",
)
# One whose money is unexplained still is taken over by the next sweep.
DISPUTES = Check(
    "chargebacks",
    f"{accounts.DISPUTE.template} is what Stripe took for it, and neither gave back nor is settled",
    "SELECT count(*) FROM chargebacks",
    f"""\
SELECT * FROM (
    SELECT c.tenant_id, c.chargeback_id, c.stripe_dispute,
        (SELECT coalesce(sum(e.amount_minor), 0) FROM entries AS e
            WHERE e.tenant_id = c.tenant_id AND e.currency = c.settled_currency
            AND e.account = {accounts.DISPUTE.sql(chargeback="c.chargeback_id")}) AS books_minor,
        c.withdrawn_minor - c.reinstated_minor - c.settled_minor AS records_minor
    FROM chargebacks AS c
) AS compared WHERE books_minor <> records_minor AND NOT EXISTS (
    SELECT 1 FROM balance_transactions AS t
    INNER JOIN balances AS b ON b.tenant_id = t.tenant_id AND b.account IN (
        {accounts.TAKEN_UNEXPLAINED.sql(balance_transaction="t.balance_transaction_id")},
        {accounts.BROUGHT_UNEXPLAINED.sql(balance_transaction="t.balance_transaction_id")}
    )
    WHERE t.tenant_id = compared.tenant_id AND t.source = compared.stripe_dispute
    AND b.balance_minor > 0
)""",
)
