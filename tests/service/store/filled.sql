-- Enough rows that a plan matters: 4,000 escrows of one tenant and 1,000 of another, each with two
-- milestones, a payment and a release; 800 of the payees are not ready yet. A test that wants fewer
-- shortens the one series of numbers that everything is made of.

CREATE FUNCTION pg_temp.id(kind text, number bigint) RETURNS uuid LANGUAGE sql IMMUTABLE
RETURN md5(kind || number)::uuid;

CREATE TEMPORARY TABLE numbers AS
SELECT
    i,
    CASE WHEN i % 5 = 0 THEN 'other' ELSE 'default' END AS tenant_id,
    timestamptz '2026-11-20 12:00Z' - i * interval '1 minute' AS at
FROM generate_series(1, 5000) AS i;

INSERT INTO payers
SELECT
    tenant_id, pg_temp.id('payer', i), 1, 'payer-' || i, 'Ada', 'ada' || i || '@example.com',
    'cus_' || i, at, at
FROM numbers WHERE i <= 2000;

INSERT INTO payees
SELECT
    tenant_id, pg_temp.id('payee', i), 1, 'payee-' || i, 'Grace', 'grace' || i || '@example.com',
    'US', 'V2',
    CASE WHEN i <= 800 THEN 'ONBOARDING' ELSE 'ACTIVE' END, 'acct_' || i, '[]', at, at
FROM numbers WHERE i <= 2000;

INSERT INTO previous_accounts
SELECT tenant_id, pg_temp.id('payee', i), 'acct_before_' || i, 'DEAUTHORIZED', at
FROM numbers WHERE i <= 2000;

INSERT INTO policies
SELECT tenant_id, i + 1, at, 'cli:ada', 'a new year', '{"currencies": {}}'
FROM numbers WHERE i <= 2000;

INSERT INTO escrows
SELECT
    tenant_id, pg_temp.id('escrow', i), 2, 'order-' || i, pg_temp.id('payer', 1 + (i - 1) % 2000),
    pg_temp.id('payee', 1 + (i - 1) % 2000), CASE WHEN i % 3 = 0 THEN 'EUR' ELSE 'USD' END,
    CASE WHEN i % 4 = 0 THEN 'COMPLETED' ELSE 'ACTIVE' END, 1, '{}', at, at
FROM numbers;

INSERT INTO milestones
SELECT
    tenant_id, pg_temp.id('escrow', i), pg_temp.id('milestone', i * 10 + part), part, 'Part', 'FUNDED',
    10000, 500, 2000, 10000, 5000, 0, 0, 0, pg_temp.id('payment', i), NULL, NULL
FROM numbers, generate_series(0, 1) AS part;

INSERT INTO milestone_payees
SELECT
    tenant_id, pg_temp.id('escrow', i), pg_temp.id('milestone', i * 10), part, pg_temp.id('payee', (i + part) % 500),
    5000, 1000, 0, 5000, NULL
FROM numbers, generate_series(0, 1) AS part WHERE i % 20 = 0;

INSERT INTO line_items
SELECT
    tenant_id, pg_temp.id('escrow', i), pg_temp.id('milestone', i * 10), item, 'A drawing', 1, 5000, ''
FROM numbers, generate_series(0, 1) AS item;

INSERT INTO payments (
    tenant_id, payment_id, escrow_id, payer_id, method, capture, amount_minor, currency, state,
    created_at, updated_at, stripe_payment_intent
)
SELECT
    tenant_id, pg_temp.id('payment', i), pg_temp.id('escrow', i),
    pg_temp.id('payer', 1 + (i - 1) % 2000), 'PAYMENT_INTENT', 'AUTOMATIC', 21000, 'USD',
    'SUCCEEDED', at, at, 'pi_' || i
FROM numbers;

INSERT INTO releases
SELECT
    tenant_id, pg_temp.id('release', i), pg_temp.id('escrow', i), pg_temp.id('milestone', i * 10),
    pg_temp.id('payee', 1 + (i - 1) % 2000), pg_temp.id('payment', i), 5000, 4000, 'USD',
    CASE WHEN i % 10 = 0 THEN 'WAITING' WHEN i % 10 = 1 THEN 'IN_FLIGHT' ELSE 'TRANSFERRED' END,
    pg_temp.id('effect', i), at, at, at, 0, NULL, NULL
FROM numbers;

INSERT INTO refunds (
    tenant_id, refund_id, escrow_id, payment_id, state, amount_minor, currency, reason, created_at, updated_at,
    stripe_refund
)
SELECT
    tenant_id, pg_temp.id('refund', i), pg_temp.id('escrow', i), pg_temp.id('payment', i),
    CASE WHEN i % 40 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 100, 'USD', 'broken', at, at, 're_' || i
FROM numbers WHERE i % 20 = 0;

INSERT INTO refund_parts
SELECT
    tenant_id, pg_temp.id('escrow', i), pg_temp.id('refund', i), 0, 'HELD', pg_temp.id('milestone', i * 10), NULL,
    NULL, 'FUNDED', 95, 5, 0, 0, 0, 0
FROM numbers WHERE i % 20 = 0;

INSERT INTO receivables (
    tenant_id, receivable_id, version, payee_id, escrow_id, release_id, refund_id, state, amount_minor, currency,
    created_at, updated_at, reversible_minor, reversal_currency, reversal_minor, stripe_account, reversed_minor,
    netted_minor, written_off_minor, canceled_minor, refusals, recover_at
)
SELECT
    tenant_id, pg_temp.id('receivable', i), 1, pg_temp.id('payee', 1 + (i - 1) % 2000), pg_temp.id('escrow', i),
    pg_temp.id('release', i), pg_temp.id('refund', i),
    CASE WHEN i % 40 = 0 THEN 'OWED' WHEN i % 60 = 0 THEN 'REVERSING' ELSE 'SETTLED' END, 80, 'USD', at, at, 80,
    'USD', 80, 'acct_' || i % 2000, 0, 0, 0, 0, 0, CASE WHEN i % 80 = 0 THEN at END
FROM numbers WHERE i % 20 = 0;

INSERT INTO chargebacks
SELECT
    tenant_id, pg_temp.id('chargeback', i), pg_temp.id('escrow', i), pg_temp.id('payment', i),
    CASE WHEN i % 40 = 0 THEN 'LOST' ELSE 'WON' END, 'du_' || i, 100, 'USD', 'fraudulent', at, at, at, at, 'USD', 100,
    0, 15, 1, 0, FALSE, 1
FROM numbers WHERE i % 20 = 0;

INSERT INTO origins
SELECT tenant_id, pg_temp.id('escrow', i), 2, '203.0.113.7', 'Mozilla/5.0', at
FROM numbers WHERE i % 20 = 0;

INSERT INTO chargeback_evidence
SELECT
    tenant_id, pg_temp.id('evidence', i), pg_temp.id('escrow', i), pg_temp.id('chargeback', i),
    'SUBMITTED', 'chargeback', '0', '{}', '{}', pg_temp.id('effect', i), 1, 'cli', at
FROM numbers WHERE i % 20 = 0;

INSERT INTO deadlines (
    tenant_id, escrow_id, deadline_id, subject_id, kind, starts_at, due_at, act_at, warned_percent, tries, refusal
)
SELECT
    tenant_id, pg_temp.id('escrow', i), pg_temp.id('deadline', i), pg_temp.id('milestone', i * 10), 'HOLD_LIMIT', at,
    at, CASE WHEN i % 90 <> 0 THEN at END, CASE WHEN i % 30 = 0 THEN 75 ELSE 0 END, 0,
    CASE WHEN i % 40 = 0 THEN 'AMOUNT_FROZEN' END
FROM numbers;

INSERT INTO disputes
SELECT
    tenant_id, pg_temp.id('escrow', i), pg_temp.id('dispute', i), pg_temp.id('milestone', i * 10),
    CASE WHEN i % 40 = 0 THEN 'OPEN' ELSE 'RESOLVED' END, 'payer', 10, 'USD', 'OTHER', 'broken', 10, '[]', at, at, 0,
    NULL, NULL, 0, NULL, NULL, NULL, '{}', NULL, NULL, NULL
FROM numbers WHERE i % 20 = 0;

INSERT INTO dispute_evidence
SELECT
    tenant_id, pg_temp.id('dispute evidence', i), pg_temp.id('escrow', i), pg_temp.id('dispute', i), 'payer', 'shop',
    'broken', 'application/pdf', 'photo.pdf', 4, repeat('0', 64), 'DATABASE', at
FROM numbers;

INSERT INTO dispute_files
SELECT tenant_id, pg_temp.id('dispute evidence', i), '%PDF' FROM numbers;

INSERT INTO proposals
SELECT
    tenant_id, pg_temp.id('escrow', i), pg_temp.id('proposal', i), 'CANCELLATION', 'OPEN', 'payer', 'broken', at, at,
    '["mst_0"]', NULL, NULL, '[]', NULL
FROM numbers;

INSERT INTO payouts
SELECT
    tenant_id, pg_temp.id('payout', i), pg_temp.id('payee', 1 + (i - 1) % 2000), 4000, 'USD',
    CASE WHEN i % 10 = 0 THEN 'REQUESTED' ELSE 'PAID' END, at, at, 'po_' || i, NULL, NULL, NULL
FROM numbers;

INSERT INTO effects
SELECT
    tenant_id, pg_temp.id('effect', i), 1, 'create_transfer',
    CASE WHEN i % 10 < 3 THEN 'PLANNED' ELSE 'SUCCEEDED' END, 1, pg_temp.id('release', i),
    pg_temp.id('escrow', i), pg_temp.id('payee', 1 + (i - 1) % 2000), NULL, '{}', at, at, at, 1, at,
    NULL, NULL, '{}'
FROM numbers;

INSERT INTO effect_attempts
SELECT tenant_id, pg_temp.id('effect', i), 1, 1, at, at, 'succeeded', ''
FROM numbers;

INSERT INTO stripe_events
SELECT
    tenant_id, 'evt_' || i, 'platform', NULL, 'payment_intent.succeeded', NULL, FALSE, at, '{}',
    CASE WHEN i % 10 < 3 THEN 'RECEIVED' ELSE 'PROCESSED' END, 0, at, '', at, NULL, ''
FROM numbers;

INSERT INTO operations
SELECT
    tenant_id, pg_temp.id('operation', i * 10 + version), 'fund', 'tests', 'payer', 'key-' || i || '-' || version,
    'hash', NULL, pg_temp.id('escrow', i), version, '[]', '', '', at
FROM numbers, generate_series(1, 2) AS version;

INSERT INTO positions
SELECT tenant_id, row_number() OVER (PARTITION BY tenant_id ORDER BY operation_id), operation_id, occurred_at
FROM operations;

INSERT INTO sealings
SELECT tenant_id, max(position), pg_snapshot_xmax(pg_current_snapshot())::text::bigint, '{}', 1
FROM positions GROUP BY tenant_id;

INSERT INTO journals
SELECT
    tenant_id, pg_temp.id('journal', i), 'payment_succeeded', 'payment', 'pay_' || i, 'USD',
    pg_temp.id('escrow', i), pg_temp.id('operation', i * 10 + 1), at, at
FROM numbers;

INSERT INTO entries
SELECT
    tenant_id, pg_temp.id('journal', i), line, 'platform',
    CASE line WHEN 1 THEN 'asset:stripe_unsettled' ELSE 'liab:escrow:mst_' || i || ':held' END,
    'USD', CASE line WHEN 1 THEN 10000 ELSE -10000 END
FROM numbers, generate_series(1, 2) AS line;

INSERT INTO balances
SELECT
    tenant_id, account, 'USD', 10000
FROM numbers,
    unnest(ARRAY['liab:escrow:mst_' || i || ':held', 'liab:payee:pye_' || i || ':payable']) AS account;

INSERT INTO balance_snapshots
SELECT tenant_id, 'asset:stripe_unsettled', 'USD', pg_temp.id('journal', i), i * 10000, i
FROM numbers WHERE i % 100 = 0;

INSERT INTO closings
SELECT tenant_id, pg_temp.id('journal', 1), pg_temp.id('journal', 1), min(at)
FROM numbers GROUP BY tenant_id;


INSERT INTO freezes
SELECT
    tenant_id, pg_temp.id('freeze', i), pg_temp.id('escrow', i), pg_temp.id('milestone', i * 10),
    pg_temp.id('payment', i), CASE WHEN i % 40 = 0 THEN 'OPEN' ELSE 'LIFTED' END, 'REFUND', 're_' || i, 'refund',
    0, 100, at, at
FROM numbers WHERE i % 20 = 0;

INSERT INTO approvals
SELECT
    tenant_id, pg_temp.id('approval', i), 1, CASE WHEN i % 40 = 0 THEN 'WAITING' ELSE 'APPROVED' END, 'REFUNDS',
    'refund_milestone', 'shop', 'payee', 'key-' || i, '{}', '', 'x', pg_temp.id('escrow', i), 100, 'USD', '{}', '0',
    at + interval '3 days', at, at, CASE WHEN i % 40 = 0 THEN NULL ELSE 'kim' END
FROM numbers WHERE i % 20 = 0;

INSERT INTO sweeps (tenant_id, stripe_account, due_at, compare_due_at)
SELECT tenant_id, 'acct_' || i, at + interval '10 days', at + interval '10 days'
FROM numbers WHERE i <= 2000;

INSERT INTO balance_transactions
SELECT
    tenant_id, 'txn_' || i, 'connected', 'acct_' || 1 + i % 2000, 'payment', 4000, 0, 4000, 'USD', NULL,
    'py_' || i, at, at, NULL, at
FROM numbers;

ANALYZE;
