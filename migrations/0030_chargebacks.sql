-- Chargebacks: what payers' banks take back, or ask about (docs/decisions/0048-chargebacks.md).

-- migrate:up

CREATE TYPE write_chargeback AS (
    tenant_id text, chargeback_id uuid, escrow_id uuid, payment_id uuid, state text,
    stripe_dispute text, amount_minor bigint, currency text, reason text,
    opened_at timestamptz, created_at timestamptz, updated_at timestamptz, due_by timestamptz,
    settled_currency text, withdrawn_minor bigint, reinstated_minor bigint, fee_minor bigint,
    movements integer, submissions integer, is_appeal boolean, openings integer
);

CREATE TABLE chargebacks (
    tenant_id text NOT NULL,
    chargeback_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    payment_id uuid NOT NULL,
    state text NOT NULL,
    stripe_dispute text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    reason text NOT NULL,
    opened_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    due_by timestamptz,
    settled_currency text,
    withdrawn_minor bigint NOT NULL,
    reinstated_minor bigint NOT NULL,
    fee_minor bigint NOT NULL,
    movements integer NOT NULL,
    submissions integer NOT NULL,
    is_appeal boolean NOT NULL,
    openings integer NOT NULL,
    CONSTRAINT chargebacks_pkey PRIMARY KEY (tenant_id, escrow_id, chargeback_id),
    CONSTRAINT chargebacks_amounts CHECK (
        amount_minor >= 0 AND withdrawn_minor >= 0 AND reinstated_minor >= 0
        AND (settled_currency IS NOT NULL OR (withdrawn_minor = 0 AND reinstated_minor = 0))
    ),
    CONSTRAINT chargebacks_counts CHECK (movements >= 0 AND submissions >= 0 AND openings >= 1)
);
COMMENT ON TABLE chargebacks IS
'One for each dispute at Stripe of a payment, inquiries among them, as Stripe said last.';
COMMENT ON COLUMN chargebacks.amount_minor IS
'what is disputed, in the currency that was paid; it may exceed the payment';
COMMENT ON COLUMN chargebacks.opened_at IS 'when it was opened, by Stripe''s clock';
COMMENT ON COLUMN chargebacks.due_by IS 'until when Stripe takes evidence';
COMMENT ON COLUMN chargebacks.withdrawn_minor IS
'what Stripe has taken for it, without fees, in the settled currency';
COMMENT ON COLUMN chargebacks.reinstated_minor IS 'what of it Stripe has given back';
COMMENT ON COLUMN chargebacks.fee_minor IS
'the fees in its balance transactions, less those that came back with them';
COMMENT ON COLUMN chargebacks.movements IS
'how many balance transactions it had: a read of the dispute that has fewer is older';
COMMENT ON COLUMN chargebacks.openings IS
'1, and 1 more for each time that it was opened again after it had been over';
CREATE UNIQUE INDEX chargebacks_by_dispute ON chargebacks (tenant_id, stripe_dispute);
CREATE INDEX chargebacks_by_id ON chargebacks (tenant_id, chargeback_id);

GRANT SELECT, INSERT ON chargebacks TO escrow_service;
GRANT UPDATE (
    payment_id, state, stripe_dispute, amount_minor, currency, reason, opened_at, created_at,
    updated_at, due_by, settled_currency, withdrawn_minor, reinstated_minor, fee_minor, movements,
    submissions, is_appeal, openings
) ON chargebacks TO escrow_service;
GRANT SELECT ON chargebacks TO escrow_reader;

-- migrate:down

DROP TABLE chargebacks;
DROP TYPE write_chargeback;
