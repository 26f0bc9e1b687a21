-- What one party of an escrow asks, and the other has to agree to: a cancellation, an extension.

-- migrate:up

CREATE TYPE write_proposal AS (
    tenant_id text, escrow_id uuid, proposal_id uuid, kind text, state text, proposed_by text,
    reason text, created_at timestamptz, updated_at timestamptz, milestone_ids jsonb,
    deadline_id uuid, due_at timestamptz
);

CREATE TABLE proposals (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    proposal_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    proposed_by text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    milestone_ids jsonb NOT NULL,
    deadline_id uuid,
    due_at timestamptz,
    CONSTRAINT proposals_pkey PRIMARY KEY (tenant_id, escrow_id, proposal_id)
);
COMMENT ON TABLE proposals IS 'What one party asks, and the other has to agree to.';
COMMENT ON COLUMN proposals.milestone_ids IS
'those that a cancellation is of, as the API names them';
COMMENT ON COLUMN proposals.due_at IS 'until when an extension would move its deadline';

CREATE INDEX proposals_open ON proposals (tenant_id, proposal_id)
WHERE state = 'OPEN';

GRANT SELECT, INSERT ON proposals TO escrow_service;
GRANT UPDATE (
    kind, state, proposed_by, reason, created_at, updated_at, milestone_ids, deadline_id, due_at
) ON proposals TO escrow_service;
GRANT SELECT ON proposals TO escrow_reader;

-- migrate:down

DROP TABLE proposals;
DROP TYPE write_proposal;
