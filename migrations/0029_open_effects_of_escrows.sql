-- The open calls to Stripe of one escrow, for who asks what it waits for (ExplainEscrow).

-- migrate:up

CREATE INDEX effects_open_by_escrow ON effects (tenant_id, escrow_id)
WHERE state IN ('PLANNED', 'SENDING', 'UNKNOWN') AND escrow_id IS NOT NULL;

-- migrate:down

DROP INDEX effects_open_by_escrow;
