-- Amendments: proposals that change what was agreed (docs/decisions/0046-amendments.md).

-- migrate:up

CREATE TYPE write_proposal_v2 AS (
    tenant_id text, escrow_id uuid, proposal_id uuid, kind text, state text, proposed_by text,
    reason text, created_at timestamptz, updated_at timestamptz, milestone_ids jsonb,
    deadline_id uuid, due_at timestamptz, changes jsonb, agreed_version integer
);

ALTER TABLE proposals ADD COLUMN changes jsonb NOT NULL DEFAULT '[]';
ALTER TABLE proposals ADD COLUMN agreed_version integer;
COMMENT ON COLUMN proposals.changes IS
'of an amendment: each milestone with its terms before and after (service/domain/amendment.py)';
COMMENT ON COLUMN proposals.agreed_version IS
'of an amendment that was agreed to: the version that the escrow got by it';
ALTER TABLE proposals ADD CONSTRAINT proposals_agreed
CHECK ((agreed_version IS NOT NULL) = (kind = 'AMENDMENT' AND state = 'APPROVED'));

GRANT UPDATE (changes, agreed_version) ON proposals TO escrow_service;

-- migrate:down

ALTER TABLE proposals DROP CONSTRAINT proposals_agreed;
ALTER TABLE proposals DROP COLUMN agreed_version;
ALTER TABLE proposals DROP COLUMN changes;
DROP TYPE write_proposal_v2;
