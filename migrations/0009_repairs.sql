-- What operators repair: events that they try again or dismiss, and money in suspense.

-- migrate:up

CREATE TYPE write_event_repair AS (
    tenant_id text, event_id text, state_before text, state text, reason text, due_at timestamptz
);
COMMENT ON COLUMN stripe_events.state IS
'RECEIVED, PARKED (retried), PROCESSED, IGNORED (not acted on), QUARANTINED, SUSPENSE, DISMISSED';
CREATE INDEX stripe_events_dismissed ON stripe_events (received_at) WHERE state = 'DISMISSED';
-- Without the balance itself: an update of any balance would cost more.
CREATE INDEX balances_in_suspense ON balances (tenant_id, account)
WHERE account LIKE 'liab:suspense:%';

-- migrate:down

DROP INDEX balances_in_suspense;
DROP INDEX stripe_events_dismissed;
UPDATE stripe_events SET state = 'SUSPENSE'
WHERE state = 'DISMISSED';
COMMENT ON COLUMN stripe_events.state IS
'RECEIVED, PARKED (retried later), PROCESSED, IGNORED (not acted on), QUARANTINED, SUSPENSE';
DROP TYPE write_event_repair;
