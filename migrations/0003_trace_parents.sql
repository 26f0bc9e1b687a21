-- migrate:up

-- A row that is worked on later carries the W3C traceparent of the span that put it there, so that
-- one trace goes from the caller to Stripe's answer.
ALTER TABLE effects ADD COLUMN traceparent text NOT NULL DEFAULT '';
COMMENT ON COLUMN effects.traceparent IS 'the span that decided on this generation (W3C), or empty';
CREATE TYPE write_effect_v2 AS (
    tenant_id text, effect_id uuid, version bigint, kind text, state text, generation integer,
    subject_id uuid, escrow_id uuid, payee_id uuid, stripe_account text, request jsonb,
    due_at timestamptz, created_at timestamptz, updated_at timestamptz, attempts integer,
    key_used_at timestamptz, lease_expires_at timestamptz, stripe_object text, error jsonb,
    traceparent text
);

ALTER TABLE stripe_events ADD COLUMN traceparent text NOT NULL DEFAULT '';
COMMENT ON COLUMN stripe_events.traceparent IS 'the span that received it (W3C), or empty';

-- What an operator wants to see drain, found without reading the table.
CREATE INDEX payments_unsettled ON payments (updated_at)
WHERE state = 'SUCCEEDED' AND stripe_balance_transaction IS NULL;
CREATE INDEX stripe_events_set_aside ON stripe_events (received_at)
WHERE state IN ('QUARANTINED', 'SUSPENSE');

-- migrate:down

DROP INDEX stripe_events_set_aside;
DROP INDEX payments_unsettled;
ALTER TABLE stripe_events DROP COLUMN traceparent;
DROP TYPE write_effect_v2;
ALTER TABLE effects DROP COLUMN traceparent;
