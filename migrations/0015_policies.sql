-- The policies of the tenants (docs/decisions/0029-policies-of-tenants.md). Version 1 is everybody's and no row.

-- migrate:up

CREATE TABLE policies (
    tenant_id text NOT NULL,
    policy_version integer NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    reason text NOT NULL,
    document jsonb NOT NULL,
    CONSTRAINT policies_pkey PRIMARY KEY (tenant_id, policy_version),
    CONSTRAINT policies_version_after_default CHECK (policy_version > 1),
    CONSTRAINT policies_document_object CHECK (jsonb_typeof(document) = 'object')
);
COMMENT ON TABLE policies IS
'What a tenant charges, by version. Append-only: escrows are pinned to a version for ever.';
COMMENT ON COLUMN policies.document IS 'as service/domain/policy.py describes it';
CREATE TYPE write_policy AS (
    tenant_id text, policy_version integer, created_at timestamptz, created_by text, reason text,
    document jsonb
);
GRANT SELECT, INSERT ON policies TO escrow_service;

-- migrate:down

DROP TYPE write_policy;
DROP TABLE policies;
