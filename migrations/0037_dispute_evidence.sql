-- What parties and operators give in a dispute (docs/decisions/0055-files.md).

-- migrate:up

CREATE TYPE write_dispute_evidence AS (
    tenant_id text, evidence_id uuid, escrow_id uuid, dispute_id uuid, party text, caller text,
    note text, content_type text, file_name text, size_bytes bigint, sha256 text, stored text,
    created_at timestamptz
);
CREATE TYPE write_dispute_file AS (tenant_id text, evidence_id uuid, content bytea);

CREATE TABLE dispute_evidence (
    tenant_id text NOT NULL,
    evidence_id uuid NOT NULL,
    escrow_id uuid NOT NULL,
    dispute_id uuid NOT NULL,
    party text NOT NULL,
    caller text NOT NULL,
    note text NOT NULL,
    content_type text NOT NULL,
    file_name text NOT NULL,
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,
    stored text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT dispute_evidence_pkey PRIMARY KEY (tenant_id, evidence_id),
    CONSTRAINT dispute_evidence_file CHECK (
        size_bytes >= 0 AND (size_bytes = 0) = (stored = 'NOWHERE')
        AND (size_bytes = 0) = (sha256 = '') AND (size_bytes = 0) = (content_type = '')
    )
);
COMMENT ON TABLE dispute_evidence IS
'Notes and files of a dispute between the parties. It is read without the files.';
COMMENT ON COLUMN dispute_evidence.size_bytes IS 'of the file; 0 where there is none';
COMMENT ON COLUMN dispute_evidence.sha256 IS 'of the file, in hexadecimal digits';
COMMENT ON COLUMN dispute_evidence.stored IS
'where the file is: DATABASE (dispute_files), BUCKET (under tenant, dispute and sha256), NOWHERE';
CREATE INDEX dispute_evidence_by_dispute
ON dispute_evidence (tenant_id, dispute_id, evidence_id);

CREATE TABLE dispute_files (
    tenant_id text NOT NULL,
    evidence_id uuid NOT NULL,
    content bytea NOT NULL,
    CONSTRAINT dispute_files_pkey PRIMARY KEY (tenant_id, evidence_id)
);
COMMENT ON TABLE dispute_files IS 'The files of dispute_evidence that are kept in the database.';

GRANT SELECT, INSERT ON dispute_evidence TO escrow_service;
GRANT SELECT, INSERT ON dispute_files TO escrow_service;
GRANT SELECT ON dispute_evidence TO escrow_reader;
GRANT SELECT ON dispute_files TO escrow_reader;

-- migrate:down

DROP TABLE dispute_files;
DROP TABLE dispute_evidence;
DROP TYPE write_dispute_file;
DROP TYPE write_dispute_evidence;
