-- What arrived of a payment, where that is not what was asked for.

-- migrate:up

-- A new type before the table changes: the processes of the version before go on with the old one.
CREATE TYPE write_payment_v3 AS (
    tenant_id text, payment_id uuid, escrow_id uuid, payer_id uuid, method text, capture text,
    amount_minor bigint, currency text, state text, created_at timestamptz,
    updated_at timestamptz, stripe_payment_intent text, stripe_checkout_session text,
    stripe_charge text, stripe_balance_transaction text, processing_fee_minor bigint,
    failure_code text, failure_decline_code text, failure_message text, observed_at timestamptz,
    settled_currency text, settled_minor bigint, converted_minor bigint, received_minor bigint
);
ALTER TABLE payments ADD COLUMN received_minor bigint;
COMMENT ON COLUMN payments.received_minor IS
'what arrived, where it is not amount_minor: it was captured in part. Null otherwise';

-- migrate:down

-- The version before does not know FAILED; it reads the payment again from Stripe.
UPDATE payments SET state = 'REQUIRES_PAYMENT_METHOD'
WHERE state = 'FAILED';
ALTER TABLE payments DROP COLUMN received_minor;
DROP TYPE write_payment_v3;
