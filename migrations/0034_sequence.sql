-- Every operation of a tenant has one position, in the order of commits
-- (docs/decisions/0052-one-sequence.md).

-- migrate:up

ALTER TABLE operations ADD COLUMN transaction_id bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN operations.transaction_id IS
'the transaction that wrote it, as its server counts them; 0 for what is older than this column';
CREATE INDEX operations_by_transaction ON operations (tenant_id, transaction_id);

-- A trigger, not a default: on a cluster the coordinator would evaluate that, and number with ids of its own.
CREATE FUNCTION note_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.transaction_id := pg_current_xact_id()::text::bigint;
    RETURN new;
END $$;
CREATE TRIGGER operations_transaction BEFORE INSERT ON operations
FOR EACH ROW EXECUTE FUNCTION note_transaction();

CREATE TABLE positions (
    tenant_id text NOT NULL,
    position bigint NOT NULL,
    operation_id uuid NOT NULL,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT positions_pkey PRIMARY KEY (tenant_id, position),
    CONSTRAINT positions_operation UNIQUE (tenant_id, operation_id),
    CONSTRAINT positions_from_one CHECK (position > 0)
);
COMMENT ON TABLE positions IS
'The one sequence of a tenant''s operations: dense from 1, in the order of commits, never changed.';

CREATE TABLE sealings (
    tenant_id text NOT NULL,
    position bigint NOT NULL,
    sealed_below bigint NOT NULL,
    still_open bigint[] NOT NULL,
    server bigint NOT NULL,
    CONSTRAINT sealings_pkey PRIMARY KEY (tenant_id)
);
COMMENT ON TABLE sealings IS 'How far a tenant''s operations have positions.';
COMMENT ON COLUMN sealings.sealed_below IS
'what transactions below this one wrote has positions, but for those that were open';
COMMENT ON COLUMN sealings.still_open IS 'transactions below it that had not ended';
COMMENT ON COLUMN sealings.server IS
'whose transaction ids these are: a restored dump, or a shard that moved, brings those of another';

-- Gives the next positions, at most so many; how many that were. It runs in one statement, and so
-- with one snapshot: what this sees is committed, and what is open in it is looked for again.
CREATE FUNCTION seal_next(tenant text, most bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
WITH now_open AS (
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS below,
        ARRAY(
            SELECT x::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS x
        ) AS still_open
), unsealed AS (
    SELECT o.operation_id, o.transaction_id, o.escrow_version
    FROM now_open
    JOIN sealings AS s ON s.tenant_id = $1
    JOIN operations AS o ON o.tenant_id = $1
        AND o.transaction_id >= s.sealed_below AND o.transaction_id < now_open.below
    WHERE NOT EXISTS (
        SELECT 1 FROM positions AS p
        WHERE p.tenant_id = $1 AND p.operation_id = o.operation_id
    )
    UNION ALL
    SELECT o.operation_id, o.transaction_id, o.escrow_version
    FROM sealings AS s
    JOIN operations AS o ON o.tenant_id = $1
        AND o.transaction_id = ANY(s.still_open) AND o.transaction_id < s.sealed_below
    WHERE s.tenant_id = $1 AND NOT EXISTS (
        SELECT 1 FROM positions AS p
        WHERE p.tenant_id = $1 AND p.operation_id = o.operation_id
    )
), next AS (
    SELECT u.operation_id, u.transaction_id,
        row_number() OVER (
            ORDER BY u.transaction_id, u.escrow_version, u.operation_id
        ) AS number
    FROM unsealed AS u
    ORDER BY u.transaction_id, u.escrow_version, u.operation_id
    LIMIT $2
), wrote AS (
    INSERT INTO positions (tenant_id, position, operation_id, sealed_at)
    SELECT $1, s.position + next.number, next.operation_id, now()
    FROM sealings AS s
    JOIN next ON true
    WHERE s.tenant_id = $1
    RETURNING 1
), reached AS (
    SELECT count(*) AS found, max(next.transaction_id) AS last FROM next
)
UPDATE sealings AS s
SET position = s.position + reached.found,
    sealed_below = CASE
        WHEN reached.found < $2 THEN now_open.below
        ELSE greatest(s.sealed_below, reached.last) END,
    still_open = CASE
        WHEN reached.found < $2 THEN now_open.still_open
        WHEN reached.last < s.sealed_below THEN s.still_open
        ELSE ARRAY(SELECT x FROM unnest(now_open.still_open) AS x WHERE x < reached.last) END
FROM reached, now_open
WHERE s.tenant_id = $1 AND reached.found > 0
RETURNING reached.found
$$;

-- The same where the ids are another server's: what has no position gets one. Versions of an escrow
-- stay in their order, whoever counted their transactions.
CREATE FUNCTION seal_all(tenant text, here bigint) RETURNS bigint LANGUAGE sql VOLATILE
SET enable_hashjoin = on SET enable_mergejoin = on SET enable_seqscan = on AS $$
WITH unsealed AS (
    SELECT o.operation_id, o.escrow_version,
        max(o.transaction_id) OVER earlier AS transaction_id, max(o.occurred_at) OVER earlier AS at
    FROM operations AS o
    WHERE o.tenant_id = $1 AND NOT EXISTS (
        SELECT 1 FROM positions AS p
        WHERE p.tenant_id = $1 AND p.operation_id = o.operation_id
    )
    WINDOW earlier AS (
        PARTITION BY coalesce(o.escrow_id, o.operation_id) ORDER BY o.escrow_version
    )
), wrote AS (
    INSERT INTO positions (tenant_id, position, operation_id, sealed_at)
    SELECT $1,
        s.position + row_number() OVER (
            ORDER BY u.transaction_id, u.at, u.escrow_version, u.operation_id
        ),
        u.operation_id, now()
    FROM sealings AS s
    JOIN unsealed AS u ON true
    WHERE s.tenant_id = $1
    RETURNING 1
)
UPDATE sealings AS s
SET position = s.position + (SELECT count(*) FROM wrote),
    sealed_below = pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    still_open = ARRAY(SELECT x::text::bigint FROM pg_snapshot_xip(pg_current_snapshot()) AS x),
    server = $2
WHERE s.tenant_id = $1
RETURNING (SELECT count(*) FROM wrote)
$$;

-- It runs on the node of its tenant, which is its first parameter. plpgsql, because there every
-- statement has a snapshot of its own: what is numbered is seen after the row was locked. It
-- answers 0 at once while another process seals.
CREATE FUNCTION seal_operations(of_tenant text, most bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    here bigint := (SELECT c.system_identifier FROM pg_control_system() AS c);
    counted_by bigint;
    below bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'operations are sealed in READ COMMITTED only';
    END IF;
    SELECT s.server, s.sealed_below INTO counted_by, below FROM sealings AS s
    WHERE s.tenant_id = of_tenant
    FOR UPDATE SKIP LOCKED;
    IF NOT found THEN
        -- An insert would wait for who updates the row.
        IF EXISTS (SELECT 1 FROM sealings AS s WHERE s.tenant_id = of_tenant) THEN
            RETURN 0;
        END IF;
        INSERT INTO sealings (tenant_id, position, sealed_below, still_open, server)
        VALUES (of_tenant, 0, 0, '{}', here)
        ON CONFLICT ON CONSTRAINT sealings_pkey DO NOTHING
        RETURNING server, sealed_below INTO counted_by, below;
        IF NOT found THEN
            RETURN 0;
        END IF;
    END IF;
    IF counted_by <> here OR below > pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN
        RETURN seal_all(of_tenant, here);
    END IF;
    RETURN coalesce(seal_next(of_tenant, most), 0);
END $$;

-- What is there already, by its time. Nobody writes operations meanwhile: the column was added.
INSERT INTO positions (tenant_id, position, operation_id, sealed_at)
SELECT
    o.tenant_id,
    row_number() OVER (PARTITION BY o.tenant_id ORDER BY o.at, o.escrow_version, o.operation_id)
        AS position,
    o.operation_id,
    now() AS sealed_at
FROM (
    SELECT
        tenant_id,
        operation_id,
        escrow_version,
        max(occurred_at) OVER (
            PARTITION BY tenant_id, coalesce(escrow_id, operation_id) ORDER BY escrow_version
        ) AS at
    FROM operations
) AS o;
INSERT INTO sealings (tenant_id, position, sealed_below, still_open, server)
SELECT
    p.tenant_id,
    max(p.position) AS position,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS sealed_below,
    (
        SELECT coalesce(array_agg(x::text::bigint), '{}') AS still_open
        FROM pg_snapshot_xip(pg_current_snapshot()) AS x
    ) AS still_open,
    (SELECT c.system_identifier FROM pg_control_system() AS c) AS server
FROM positions AS p
GROUP BY p.tenant_id;

GRANT SELECT ON positions, sealings TO escrow_reader;
GRANT INSERT ON positions, sealings TO escrow_worker;
GRANT UPDATE (position, sealed_below, still_open, server) ON sealings TO escrow_worker;

-- migrate:down

DROP FUNCTION seal_operations;
DROP FUNCTION seal_all;
DROP FUNCTION seal_next;
DROP TABLE sealings;
DROP TABLE positions;
DROP TRIGGER operations_transaction ON operations;
DROP FUNCTION note_transaction;
DROP INDEX operations_by_transaction;
ALTER TABLE operations DROP COLUMN transaction_id;
