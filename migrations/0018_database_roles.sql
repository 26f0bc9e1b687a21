-- Each program works under a role of its own, which may do what its statements do, column by column:
--
--   escrow_reader   reads everything and writes nothing: support, reports, `escrow verify`
--   escrow_service  the gRPC API; adds to the books and changes records, as it did before
--   escrow_worker   the workers; what the service may, and what they alone do: close the books and
--                   roll them up, read accounts at Stripe to their end, end an event
--
-- Each may turn into the one above it, and into nothing else. The role that applies migrations owns
-- the tables and is none of them. A service of an older release goes on; a worker of one may not end
-- events any more, nor close books or sweep, until it is replaced.

-- migrate:up

-- Whoever may not create roles has them made beforehand, with these memberships.
DO $$
DECLARE
    name text;
    below text;
BEGIN
    FOREACH name IN ARRAY ARRAY['escrow_reader', 'escrow_service', 'escrow_worker'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF below IS NOT NULL AND NOT EXISTS (
            SELECT FROM pg_auth_members
            WHERE roleid = below::regrole AND member = name::regrole
        ) THEN
            BEGIN
                EXECUTE format('GRANT %I TO %I', below, name);
            EXCEPTION WHEN unique_violation OR internal_error THEN
                NULL;  -- another database of this server does the same
            END;
        END IF;
        below := name;
    END LOOP;
END $$;

REVOKE CREATE ON SCHEMA public FROM public;  -- until PostgreSQL 14 anybody had it
GRANT SELECT ON ALL TABLES IN SCHEMA public TO escrow_reader;

-- What is written whole: everything but its key, and so never whose it is.
DO $$
DECLARE
    written text;
    changing text;
BEGIN
    FOREACH written IN ARRAY ARRAY[
        'payers', 'payees', 'escrows', 'milestones', 'payments', 'releases', 'freezes', 'payouts',
        'effects'
    ] LOOP
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) INTO changing
        FROM pg_attribute AS a
        JOIN pg_index AS i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = written::regclass AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attnum <> ALL (i.indkey);
        EXECUTE format('REVOKE UPDATE ON %I FROM escrow_service', written);
        EXECUTE format('GRANT UPDATE (%s) ON %I TO escrow_service', changing, written);
    END LOOP;
END $$;

REVOKE UPDATE ON balances, effect_attempts, stripe_events, undecided_transactions
FROM escrow_service;
GRANT UPDATE (balance_minor, change_minor) ON balances TO escrow_service;
GRANT UPDATE (ended_at, outcome, detail) ON effect_attempts TO escrow_service;
GRANT UPDATE (state, attempts, due_at, reason) ON stripe_events TO escrow_service;
GRANT UPDATE (reason, due_at, decided_at) ON undecided_transactions TO escrow_service;

REVOKE INSERT ON balance_snapshots FROM escrow_service;
REVOKE INSERT, UPDATE ON closings, sweeps FROM escrow_service;
GRANT INSERT ON balance_snapshots, closings, sweeps TO escrow_worker;
GRANT UPDATE (processed_at) ON stripe_events TO escrow_worker;
GRANT UPDATE (closed_through, rolled_up_through, due_at) ON closings TO escrow_worker;
GRANT UPDATE (
    due_at, swept_through, newest_at, page_after, compare_due_at, compared_at, differences
) ON sweeps TO escrow_worker;

-- Stripe answers a key that it has seen as it did before: another request needs another key.
CREATE FUNCTION refuse_other_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the request of an effect changes only with its generation'
    USING ERRCODE = 'check_violation', CONSTRAINT = 'effects_request_of_generation';
END $$;
CREATE TRIGGER effects_request_of_generation BEFORE UPDATE OF request ON effects
FOR EACH ROW WHEN (new.generation <= old.generation AND new.request <> old.request)
EXECUTE FUNCTION refuse_other_request();

-- migrate:down

DROP TRIGGER effects_request_of_generation ON effects;
DROP FUNCTION refuse_other_request;
-- The roles belong to all databases of the server, and stay.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM escrow_reader, escrow_worker;
DO $$
DECLARE
    written text;
BEGIN
    FOREACH written IN ARRAY ARRAY[
        'payers', 'payees', 'escrows', 'milestones', 'payments', 'releases', 'freezes', 'payouts',
        'effects', 'effect_attempts', 'stripe_events', 'balances', 'closings', 'sweeps',
        'undecided_transactions'
    ] LOOP
        EXECUTE format('REVOKE UPDATE ON %I FROM escrow_service', written);
        EXECUTE format('GRANT INSERT, UPDATE ON %I TO escrow_service', written);
    END LOOP;
END $$;
GRANT INSERT ON balance_snapshots TO escrow_service;
