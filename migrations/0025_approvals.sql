-- What waits for a second person (docs/decisions/0043-two-pairs-of-eyes.md).

-- migrate:up

CREATE TYPE write_approval AS (
    tenant_id text, approval_id uuid, version integer, state text, kind text, operation text,
    caller text, party text, key text, asker jsonb, asked bytea, reason text, escrow_id uuid,
    amount_minor bigint, currency text, plan jsonb, plan_hash text, expires_at timestamptz,
    created_at timestamptz, updated_at timestamptz, decided_by text, decision_reason text
);

CREATE TABLE approvals (
    tenant_id text NOT NULL,
    approval_id uuid NOT NULL,
    version integer NOT NULL,
    state text NOT NULL,
    kind text NOT NULL,
    operation text NOT NULL,
    caller text NOT NULL,
    party text NOT NULL,
    key text NOT NULL,
    asker jsonb NOT NULL,
    asked bytea NOT NULL,
    reason text NOT NULL,
    escrow_id uuid,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    plan jsonb NOT NULL,
    plan_hash text NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    decided_by text,
    decision_reason text,
    CONSTRAINT approvals_pkey PRIMARY KEY (tenant_id, approval_id),
    CONSTRAINT approvals_request UNIQUE (tenant_id, caller, operation, key),
    CONSTRAINT approvals_decided CHECK ((state = 'WAITING') = (decided_by IS NULL))
);
COMMENT ON TABLE approvals IS
'What somebody asked for above a limit of the tenant, and what a second person said.';
COMMENT ON COLUMN approvals.asker IS
'who asked, beside the name: {"people": [...], "end_user": "..."}';
COMMENT ON COLUMN approvals.asked IS 'the request, as it was sent';
COMMENT ON COLUMN approvals.plan IS 'what it would book and change: {"lines": [...]}';
CREATE INDEX approvals_waiting ON approvals (expires_at) WHERE state = 'WAITING';

GRANT SELECT, INSERT ON approvals TO escrow_service;
GRANT UPDATE (
    version, state, kind, operation, caller, party, key, asker, asked, reason, escrow_id,
    amount_minor, currency, plan, plan_hash, expires_at, created_at, updated_at, decided_by,
    decision_reason
) ON approvals TO escrow_service;
GRANT SELECT ON approvals TO escrow_reader;

-- migrate:down

DROP TABLE approvals;
DROP TYPE write_approval;
