-- What moved the balances at Stripe, a row each, and what may not move here while it is unexplained.

-- migrate:up

CREATE TABLE balance_transactions (
    tenant_id text NOT NULL,
    balance_transaction_id text NOT NULL,
    book text NOT NULL,
    stripe_account text,
    type text NOT NULL,
    amount_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    net_minor bigint NOT NULL,
    currency text NOT NULL,
    exchange_rate numeric,
    source text,
    created_at timestamptz NOT NULL,
    available_at timestamptz NOT NULL,
    journal_id uuid,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT balance_transactions_pkey PRIMARY KEY (tenant_id, balance_transaction_id),
    CONSTRAINT balance_transactions_journal FOREIGN KEY (tenant_id, journal_id)
    REFERENCES journals (tenant_id, journal_id),
    CONSTRAINT balance_transactions_net CHECK (net_minor = amount_minor - fee_minor),
    CONSTRAINT balance_transactions_of_an_account CHECK (
        (book = 'connected') = (stripe_account IS NOT NULL)
    ),
    CONSTRAINT balance_transactions_booked CHECK (
        book = 'connected' OR journal_id IS NOT NULL OR net_minor = 0
    )
);
COMMENT ON TABLE balance_transactions IS
'What moved a balance at Stripe, as Stripe tells it. Append-only. Those of the platform sum up to
asset:stripe (invariant I2).';
COMMENT ON COLUMN balance_transactions.stripe_account IS
'the connected account; null for the platform';
COMMENT ON COLUMN balance_transactions.created_at IS 'when it happened, by Stripe''s clock';
COMMENT ON COLUMN balance_transactions.journal_id IS 'the journal that booked it';
CREATE UNIQUE INDEX balance_transactions_booked_once
ON balance_transactions (tenant_id, journal_id) WHERE book = 'platform';
CREATE INDEX balance_transactions_of_account
ON balance_transactions (tenant_id, stripe_account) WHERE stripe_account IS NOT NULL;
CREATE TYPE write_balance_transaction AS (
    tenant_id text, balance_transaction_id text, book text, stripe_account text, type text,
    amount_minor bigint, fee_minor bigint, net_minor bigint, currency text,
    exchange_rate numeric, source text, created_at timestamptz, available_at timestamptz,
    journal_id uuid, recorded_at timestamptz
);

CREATE TABLE freezes (
    tenant_id text NOT NULL,
    freeze_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    milestone_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    state text NOT NULL,
    reason text NOT NULL,
    source text NOT NULL,
    fact text NOT NULL,
    amount_minor bigint NOT NULL,
    beyond_minor bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT freezes_pkey PRIMARY KEY (tenant_id, escrow_id, freeze_id),
    CONSTRAINT freezes_milestone FOREIGN KEY (tenant_id, escrow_id, milestone_id)
    REFERENCES milestones (tenant_id, escrow_id, milestone_id),
    CONSTRAINT freezes_amounts CHECK (amount_minor >= 0 AND beyond_minor >= 0)
);
COMMENT ON TABLE freezes IS
'Amounts that may not move. The open ones of a milestone sum up to its frozen_minor.';
COMMENT ON COLUMN freezes.fact IS
'what was known of the source: its stage, or the balance transaction that moved the money';
COMMENT ON COLUMN freezes.beyond_minor IS
'what the source threatens beyond what is held: it stops transfers that have not been requested';
CREATE INDEX freezes_open ON freezes (created_at) WHERE state = 'OPEN';
CREATE TYPE write_freeze AS (
    tenant_id text, freeze_id uuid, escrow_id uuid, milestone_id uuid, payment_id uuid, state text,
    reason text, source text, fact text, amount_minor bigint, beyond_minor bigint,
    created_at timestamptz, updated_at timestamptz
);

CREATE TABLE sweeps (
    tenant_id text NOT NULL,
    stripe_account text NOT NULL,
    due_at timestamptz NOT NULL,
    swept_through timestamptz,
    newest_at timestamptz,
    page_after text,
    compare_due_at timestamptz NOT NULL,
    compared_at timestamptz,
    differences jsonb,
    CONSTRAINT sweeps_pkey PRIMARY KEY (tenant_id, stripe_account)
);
COMMENT ON TABLE sweeps IS
'How far the balance transactions of an account at Stripe are read; '''' is the platform''s.';
COMMENT ON COLUMN sweeps.swept_through IS
'all that Stripe created before has its row, by Stripe''s clock';
COMMENT ON COLUMN sweeps.page_after IS
'where the pass under way has come to, from new to old; null when none is';
COMMENT ON COLUMN sweeps.differences IS
'what the last comparison with Stripe found, by currency in minor units; null when all is the same';
CREATE TABLE undecided_transactions (
    tenant_id text NOT NULL,
    stripe_account text NOT NULL,
    balance_transaction_id text NOT NULL,
    reason text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    decided_at timestamptz,
    CONSTRAINT undecided_transactions_pkey PRIMARY KEY (
        tenant_id, stripe_account, balance_transaction_id
    )
);
COMMENT ON TABLE undecided_transactions IS
'Balance transactions that could not be booked when Stripe listed them; each is looked at again.';
CREATE INDEX undecided_transactions_open
ON undecided_transactions (tenant_id, stripe_account) WHERE decided_at IS NULL;
CREATE INDEX sweeps_due ON sweeps (due_at);
CREATE INDEX sweeps_differ ON sweeps (compared_at) WHERE differences IS NOT NULL;

-- By the account alone, for a balance that is updated should not have to be indexed anew.
CREATE INDEX balances_unexplained ON balances (account)
WHERE account LIKE 'asset:unexplained:%' OR account LIKE 'liab:unexplained:%';

-- A transfer is found by its id at Stripe, when its metadata was changed there.
CREATE INDEX releases_by_transfer ON releases (tenant_id, stripe_transfer)
WHERE stripe_transfer IS NOT NULL;

GRANT SELECT, INSERT ON balance_transactions TO escrow_service;
-- Accounts that have books already are read from the start; until then I2 is not known.
INSERT INTO sweeps (tenant_id, stripe_account, due_at, compare_due_at)
SELECT DISTINCT
    tenant_id,
    '' AS stripe_account,
    now() AS due_at,
    now() + interval '10 minutes' AS compare_due_at
FROM journals;

GRANT SELECT, INSERT, UPDATE ON freezes, sweeps, undecided_transactions TO escrow_service;

-- migrate:down

DROP INDEX releases_by_transfer;
DROP INDEX balances_unexplained;
DROP TABLE undecided_transactions;
DROP TABLE sweeps;
DROP TYPE write_freeze;
DROP TABLE freezes;
DROP TYPE write_balance_transaction;
DROP TABLE balance_transactions;
