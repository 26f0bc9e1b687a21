-- migrate:up

-- Balances as of any time (docs/decisions/0013-balances-as-of.md). Ids are UUIDv7, so the entries of
-- an account lie in the index in the order of the books, with their amounts: what was booked between
-- two moments is one range of it.
CREATE INDEX entries_by_account_and_time ON entries (tenant_id, account, currency, journal_id)
INCLUDE (amount_minor);
DROP INDEX entries_by_account;

CREATE TABLE balance_snapshots (
    tenant_id text NOT NULL,
    account text NOT NULL,
    currency text NOT NULL,
    through uuid NOT NULL,
    balance_minor bigint NOT NULL,
    entries bigint NOT NULL,
    CONSTRAINT balance_snapshots_pkey PRIMARY KEY (tenant_id, account, currency, through)
);
COMMENT ON TABLE balance_snapshots IS
'What the entries of an account came to, up to and including a journal id. Append-only.';
COMMENT ON COLUMN balance_snapshots.balance_minor IS 'debits are positive, credits negative';
COMMENT ON COLUMN balance_snapshots.entries IS 'how many entries that is';

CREATE TABLE closings (
    tenant_id text NOT NULL,
    closed_through uuid NOT NULL,
    rolled_up_through uuid NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT closings_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT closings_before_roll_up CHECK (rolled_up_through <= closed_through)
);
COMMENT ON TABLE closings IS
'How far the books of each tenant are closed: nothing is booked there any more.';
COMMENT ON COLUMN closings.rolled_up_through IS
'how far its entries are final, and counted in balance_snapshots';
COMMENT ON COLUMN closings.due_at IS 'when the books are closed further, by the database''s clock';

-- Opened again, closed books could change below a snapshot.
CREATE FUNCTION refuse_opening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.tenant_id <> OLD.tenant_id OR NEW.closed_through < OLD.closed_through
        OR NEW.rolled_up_through < OLD.rolled_up_through THEN
        RAISE EXCEPTION 'closed books are never opened again'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'closings_only_advance';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER closings_only_advance BEFORE UPDATE ON closings
FOR EACH ROW EXECUTE FUNCTION refuse_opening();

-- A transaction has its xid when this runs, for it has written entries. In READ COMMITTED every query
-- of a volatile function sees what is committed by then, so a transaction whose xid was given out
-- after the books were closed finds them closed. Under another isolation level it might not.
CREATE FUNCTION refuse_entries_in_closed_books() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
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
CREATE TRIGGER entries_in_open_books AFTER INSERT ON entries
REFERENCING NEW TABLE AS added FOR EACH STATEMENT
EXECUTE FUNCTION refuse_entries_in_closed_books();

GRANT SELECT, INSERT ON balance_snapshots TO escrow_service;
GRANT SELECT, INSERT, UPDATE ON closings TO escrow_service;

-- migrate:down

DROP TRIGGER entries_in_open_books ON entries;
DROP FUNCTION refuse_entries_in_closed_books;
DROP TABLE closings;
DROP FUNCTION refuse_opening;
DROP TABLE balance_snapshots;
CREATE INDEX entries_by_account ON entries (tenant_id, account, currency);
DROP INDEX entries_by_account_and_time;
