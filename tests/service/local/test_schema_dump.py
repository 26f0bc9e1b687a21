from collections.abc import AsyncIterator

import pytest

from service.local.schema_dump import SchemaDumpError, dump_schema
from tests.postgres import Server, connected, empty_database

SCHEMA = """
CREATE TABLE tenants (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE escrows (
    tenant_id text NOT NULL CONSTRAINT escrows_tenant_fk REFERENCES tenants,
    id uuid NOT NULL,
    sequence bigint GENERATED ALWAYS AS IDENTITY,
    state text NOT NULL CONSTRAINT escrows_state_known CHECK (state IN ('OPEN', 'DONE')),
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX escrows_by_state ON escrows (tenant_id, state);
COMMENT ON TABLE escrows IS 'What is agreed; -- and not a comment';
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN

    -- a blank line and a comment stay as they are
    RAISE EXCEPTION 'never';
END
$$;
CREATE TRIGGER escrows_are_kept BEFORE DELETE ON escrows EXECUTE FUNCTION refuse();
CREATE TABLE events (tenant_id text NOT NULL, at date NOT NULL, PRIMARY KEY (tenant_id, at))
    PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX events_by_day ON events (at);
GRANT SELECT, INSERT ON escrows TO pg_monitor;
GRANT UPDATE (state) ON escrows TO pg_monitor;
"""


@pytest.fixture
async def dsn(postgres_server: Server) -> AsyncIterator[str]:
    async with empty_database(postgres_server) as dsn:
        yield dsn


@pytest.fixture
async def text(postgres_server: Server, dsn: str) -> str:
    async with connected(dsn) as connection:
        await connection.execute(SCHEMA)
    return await dump_schema(dsn, postgres_server.pg_dump)


async def test_dump_makes_the_same_schema_again(text: str, postgres_server: Server) -> None:
    async with empty_database(postgres_server) as dsn:
        async with connected(dsn) as connection:
            await connection.execute(text)
        assert await dump_schema(dsn, postgres_server.pg_dump) == text


def test_keys_indexes_comments_and_grants_stand_behind_their_table(text: str) -> None:
    [group] = [
        group for group in text.split("\n\n") if group.startswith("CREATE TABLE public.escrows")
    ]
    for part in (
        "escrows_state_known",
        "escrows_pkey",
        "INDEX escrows_by_state",
        "ADD GENERATED ALWAYS AS IDENTITY",
        "COMMENT ON TABLE",
        "GRANT SELECT,INSERT",
        "GRANT UPDATE(state)",
    ):
        assert part in group


def test_dump_names_no_owner_version_or_setting(text: str) -> None:
    assert "OWNER" not in text
    assert "PostgreSQL" not in text
    assert "restrict" not in text
    assert [line for line in text.splitlines() if line.startswith("SET ")] == [
        "SET check_function_bodies = false;  -- a function may name a table that comes after it"
    ]


def test_function_bodies_are_left_alone(text: str) -> None:
    assert "BEGIN\n\n    -- a blank line and a comment stay as they are\n" in text


async def test_table_of_the_runner_is_left_out(postgres_server: Server, dsn: str) -> None:
    async with connected(dsn) as connection:
        await connection.execute("CREATE TABLE schema_migrations (version text PRIMARY KEY)")
    assert "schema_migrations" not in await dump_schema(dsn, postgres_server.pg_dump)


async def test_failure_says_what_pg_dump_said(postgres_server: Server) -> None:
    with pytest.raises(SchemaDumpError, match='database "nowhere" does not exist'):
        await dump_schema(postgres_server.dsn("nowhere"), postgres_server.pg_dump)
