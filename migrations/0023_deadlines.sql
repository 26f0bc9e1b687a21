-- What happens by itself when a time has come: deadlines of escrows, each a row while it runs.
--
-- Escrows of before have none: theirs begin with their next change of state.

-- migrate:up

CREATE TYPE write_deadline AS (
    tenant_id text, escrow_id uuid, deadline_id uuid, subject_id uuid, kind text,
    starts_at timestamptz, due_at timestamptz, act_at timestamptz, warned_percent integer,
    tries integer, refusal text
);
CREATE TYPE remove_deadline AS (tenant_id text, escrow_id uuid, deadline_id uuid);

CREATE TABLE deadlines (
    tenant_id text NOT NULL,
    escrow_id uuid NOT NULL,
    deadline_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL,
    starts_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    act_at timestamptz,
    warned_percent integer NOT NULL,
    tries integer NOT NULL,
    refusal text,
    leased_until timestamptz,
    CONSTRAINT deadlines_pkey PRIMARY KEY (tenant_id, escrow_id, deadline_id)
);
COMMENT ON TABLE deadlines IS
'What happens by itself when a time has come. A row is there while the deadline runs.';
COMMENT ON COLUMN deadlines.subject_id IS 'the milestone that it is of, or the escrow';
COMMENT ON COLUMN deadlines.act_at IS
'when a worker acts on it next: at a warning, when it is due, or when it was put off to; null when'
' there is nothing left to do';
COMMENT ON COLUMN deadlines.tries IS 'how often a worker has acted on it, or was refused to';
COMMENT ON COLUMN deadlines.refusal IS 'why it was put off last';
CREATE INDEX deadlines_to_act ON deadlines (act_at, deadline_id) WHERE act_at IS NOT NULL;
CREATE INDEX deadlines_put_off ON deadlines (tenant_id, deadline_id) WHERE refusal IS NOT NULL;
CREATE INDEX deadlines_warned ON deadlines (tenant_id, deadline_id) WHERE warned_percent > 0;

GRANT SELECT, INSERT, DELETE ON deadlines TO escrow_service;
GRANT UPDATE (
    subject_id, kind, starts_at, due_at, act_at, warned_percent, tries, refusal, leased_until
) ON deadlines TO escrow_service;
GRANT SELECT ON deadlines TO escrow_reader;

-- migrate:down

DROP TABLE deadlines;
DROP TYPE remove_deadline;
DROP TYPE write_deadline;
