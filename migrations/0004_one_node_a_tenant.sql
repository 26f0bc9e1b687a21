-- migrate:up

-- What one PostgreSQL and a distributed one both accept: one fragment
-- of a commit for every table, named types in answers, triggers that look at one tenant at a time.

-- What a read answers of a table whose rows it does not answer whole. A write_... type serves for
-- those that it does.
CREATE TYPE read_answer AS (request_hash bytea, response bytea);
CREATE TYPE read_balance AS (account text, currency text, balance_minor bigint);
CREATE TYPE read_entry AS (book text, account text, currency text, amount_minor bigint);

-- A commit inserts every changed balance "on conflict", and so the check on the balance (invariant
-- I3) sees the row to insert before the row that is there: a debit is inserted as a balance of zero,
-- with the change in a column of its own, which is added when the row is there. When it is not, the
-- row was inserted, and the trigger refuses it. An AFTER INSERT trigger does not run for a conflict.
ALTER TABLE balances ADD COLUMN change_minor bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN balances.change_minor IS 'the last change of the balance';
CREATE FUNCTION refuse_debit_of_nothing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'there is no balance to debit'
    USING ERRCODE = 'check_violation', CONSTRAINT = 'balances_not_negative';
END $$;
CREATE TRIGGER balances_debit_of_nothing AFTER INSERT ON balances
FOR EACH ROW WHEN (new.change_minor < 0) EXECUTE FUNCTION refuse_debit_of_nothing();

-- As in 0002, with a look at the closing of one tenant after the other: the first of its journals is
-- compared.
CREATE OR REPLACE FUNCTION refuse_entries_in_closed_books() RETURNS trigger
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    earliest record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'entries are booked in READ COMMITTED only'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_read_committed';
    END IF;
    FOR earliest IN
        SELECT DISTINCT ON (a.tenant_id) a.tenant_id, a.journal_id FROM added AS a
        ORDER BY a.tenant_id, a.journal_id
    LOOP
        IF EXISTS (
            SELECT 1 FROM closings AS c
            WHERE c.tenant_id = earliest.tenant_id AND c.closed_through >= earliest.journal_id
        ) THEN
            RAISE EXCEPTION 'the books are closed for the moment of these entries'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_in_open_books';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- Transaction ids mean something on the node that gave them out, and on no other. These functions
-- run on the node of their tenant, which is their first parameter.
-- Its own xid is greater than that of every transaction that had one by now.
CREATE FUNCTION next_transaction_id(of_tenant text) RETURNS text LANGUAGE sql VOLATILE AS $$
SELECT pg_current_xact_id()::text
$$;
-- Rolls up one step, the journals of which are counted, so that a step is short however much there
-- is to do. It answers nothing while a transaction with an earlier xid is open, and when the books
-- are closed further, or not as far (the database was restored): the closing then counts no more.
CREATE FUNCTION roll_up_balances(
    of_tenant text, closed_through uuid, xid text, entries_apart bigint, most_journals bigint
) RETURNS uuid LANGUAGE sql VOLATILE AS $$
WITH closing AS (
    SELECT c.rolled_up_through AS since FROM closings AS c
    WHERE c.tenant_id = $1 AND c.closed_through = $2
    AND pg_snapshot_xmin(pg_current_snapshot()) >= $3::xid8
    FOR UPDATE
), step AS (
    SELECT closing.since, coalesce(
        (SELECT j.journal_id FROM journals AS j
            WHERE j.tenant_id = $1 AND j.journal_id > closing.since AND j.journal_id <= $2
            ORDER BY j.journal_id OFFSET $5 - 1 LIMIT 1),
        $2
    ) AS through
    FROM closing
), changed AS (
    SELECT DISTINCT e.account, e.currency
    FROM step
    JOIN entries AS e ON e.tenant_id = $1
        AND e.journal_id > step.since AND e.journal_id <= step.through
), wrote_snapshots AS (
    INSERT INTO balance_snapshots (
        tenant_id, account, currency, through, balance_minor, entries
    )
    SELECT $1, changed.account, changed.currency, step.through,
        coalesce(snapshot.balance_minor, 0) + newer.sum_minor,
        coalesce(snapshot.entries, 0) + newer.entries
    FROM step
    CROSS JOIN changed
    LEFT JOIN LATERAL (
        SELECT s.through, s.balance_minor, s.entries FROM balance_snapshots AS s
        WHERE s.tenant_id = $1 AND s.account = changed.account AND s.currency = changed.currency
        ORDER BY s.through DESC LIMIT 1
    ) AS snapshot ON true
    CROSS JOIN LATERAL (
        SELECT sum(e.amount_minor) AS sum_minor, count(*) AS entries FROM entries AS e
        WHERE e.tenant_id = $1 AND e.account = changed.account AND e.currency = changed.currency
        AND e.journal_id > coalesce(snapshot.through, '00000000-0000-0000-0000-000000000000') AND e.journal_id <= step.through
    ) AS newer
    WHERE newer.entries >= $4
    RETURNING 1
)
UPDATE closings AS c SET rolled_up_through = step.through
FROM step
WHERE c.tenant_id = $1
RETURNING c.rolled_up_through
$$;

-- migrate:down

DROP FUNCTION roll_up_balances;
DROP FUNCTION next_transaction_id;
CREATE OR REPLACE FUNCTION refuse_entries_in_closed_books() RETURNS trigger
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'entries are booked in READ COMMITTED only'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_read_committed';
    END IF;
    IF EXISTS (
        SELECT 1 FROM added AS a JOIN closings AS c ON c.tenant_id = a.tenant_id
        WHERE a.journal_id <= c.closed_through
    ) THEN
        RAISE EXCEPTION 'the books are closed for the moment of these entries'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'entries_in_open_books';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER balances_debit_of_nothing ON balances;
DROP FUNCTION refuse_debit_of_nothing;
ALTER TABLE balances DROP COLUMN change_minor;
DROP TYPE read_entry;
DROP TYPE read_balance;
DROP TYPE read_answer;
