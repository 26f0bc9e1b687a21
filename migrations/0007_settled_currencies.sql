-- What a charge came to in the currency that Stripe settled it in, and what a transfer takes of that.

-- migrate:up

-- New types before any table changes: the processes of the version before go on with the old ones.
CREATE TYPE write_payment_v2 AS (
    tenant_id text, payment_id uuid, escrow_id uuid, payer_id uuid, method text, capture text,
    amount_minor bigint, currency text, state text, created_at timestamptz,
    updated_at timestamptz, stripe_payment_intent text, stripe_checkout_session text,
    stripe_charge text, stripe_balance_transaction text, processing_fee_minor bigint,
    failure_code text, failure_decline_code text, failure_message text, observed_at timestamptz,
    settled_currency text, settled_minor bigint, converted_minor bigint
);
CREATE TYPE write_release_v2 AS (
    tenant_id text, release_id uuid, escrow_id uuid, milestone_id uuid, payee_id uuid,
    payment_id uuid, amount_minor bigint, payee_share_minor bigint, currency text, state text,
    effect_id uuid, transfer_at timestamptz, created_at timestamptz, updated_at timestamptz,
    refusals integer, stripe_transfer text, refusal_code text, transfer_currency text,
    transfer_minor bigint
);
ALTER TABLE payments
ADD COLUMN settled_currency text,
ADD COLUMN settled_minor bigint,
ADD COLUMN converted_minor bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN payments.settled_currency IS
'where Stripe settled it in another currency than it was paid in';
COMMENT ON COLUMN payments.settled_minor IS 'what it came to there, before Stripe''s fee';
COMMENT ON COLUMN payments.converted_minor IS
'how much of amount_minor has been converted by now, at the charge''s own rate';
ALTER TABLE releases
ADD COLUMN transfer_currency text,
ADD COLUMN transfer_minor bigint;
COMMENT ON COLUMN releases.transfer_minor IS
'what the transfer takes where the payment was settled in another currency';

-- migrate:down

ALTER TABLE releases DROP COLUMN transfer_minor, DROP COLUMN transfer_currency;
ALTER TABLE payments
DROP COLUMN converted_minor, DROP COLUMN settled_minor, DROP COLUMN settled_currency;
DROP TYPE write_release_v2;
DROP TYPE write_payment_v2;
