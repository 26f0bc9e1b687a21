"""The rules by which the same statements run on one PostgreSQL and on one distributed by tenant.

Each rule is a function from the text of a statement to what is wrong with it. Each is shown to find
a bad statement, for a rule that finds nothing would hold nothing.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import asyncpg
import pytest

from service.migrations import Connection
from service.store.fragments import ORDER, commit_statement
from service.store.shared_loads import of_one_tenant
from tests.postgres import Server, connected, migrated_database
from tests.service.store.across_tenants import LEASES, WHY, across_tenants, short
from tests.service.store.test_statements import QUEUES, SCHEMA, STATEMENTS

WRITTEN = STATEMENTS | QUEUES
ACROSS = {name for name in WRITTEN if across_tenants(name)}
# Leases of work across tenants, for one PostgreSQL. On a distributed one they are made per tenant.
ONE_POSTGRESQL = {name for name in WRITTEN if across_tenants(name) == LEASES}
# What runs inside a function that belongs to the node of its tenant.
DELEGATED = {"balances.roll_up_balances", "sequence.seal_all", "sequence.seal_next"}
TABLES = set(re.findall(r"CREATE TABLE public\.(\w+)", SCHEMA))
TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE) (?P<table>\w+)(?: AS (?P<alias>\w+))?")
NO_FUNCTIONS = {"greatest", "least", "coalesce"}  # expressions, whatever they look like

Rule = Callable[[str], list[str]]


def every_alias_has_its_tenant(statement: str) -> list[str]:
    troubles = []
    for found in TABLE.finditer(statement):
        table, alias = found["table"], found["alias"]
        if table not in TABLES:  # of the statement itself, or an array
            continue
        tenant = rf"\b{alias}\.tenant_id\b" if alias else r"(?<![.\w])tenant_id\b"
        if not re.search(rf"{tenant} = (?!ANY)|= {tenant}", statement):
            troubles.append(f"{table} AS {alias}")
    return troubles


def no_row_without_a_type(statement: str) -> list[str]:
    return re.findall(r"\bROW\s*\(", statement)


def no_lock_across_tenants(statement: str) -> list[str]:
    locks = re.findall(r"\bFOR (?:NO KEY )?UPDATE\b", statement)
    chosen = re.search(r"(?<![.\w])tenant_id = \$\d|\b\w+\.tenant_id = \$\d", statement)
    return [] if chosen else locks


def no_anti_join_with_an_array(statement: str) -> list[str]:
    return re.findall(r"NOT EXISTS", statement) if "unnest(" in statement else []


def no_fragment_without_returning(statement: str) -> list[str]:
    if not statement.startswith("WITH"):
        return []
    writes = re.findall(r"\bINSERT INTO \w+|(?<!DO )\bUPDATE \w+(?= (?:AS|SET))", statement)
    missing = len(writes) - len(re.findall(r"\bRETURNING\b", statement))
    return writes if missing > 0 else []


def no_function_on_conflict(statement: str) -> list[str]:
    found = re.search(r"DO UPDATE(.*?)(?:RETURNING|$)", statement, re.DOTALL)
    called = re.findall(r"\b([a-z]\w*)\(", found[1]) if found else []
    return [name for name in called if name not in NO_FUNCTIONS]


def no_transaction_id(statement: str) -> list[str]:
    return re.findall(r"\b(?:xid8?|pg_\w*xact\w*|pg_snapshot\w*|xmin|xmax|ctid)\b", statement)


# Each rule with the statements that need not follow it.
RULES: Mapping[Rule, set[str]] = {
    every_alias_has_its_tenant: ACROSS,
    no_row_without_a_type: set(),
    no_lock_across_tenants: ONE_POSTGRESQL,
    no_anti_join_with_an_array: DELEGATED,
    no_fragment_without_returning: set(),
    no_function_on_conflict: set(),
    no_transaction_id: DELEGATED,
}


def broken(rule: Rule) -> Iterator[str]:
    # A statement of a hot module stands in the list under the module's long name too.
    free = {name.removeprefix("service.store.") for name in RULES[rule]}
    for name, statement in WRITTEN.items():
        if name.removeprefix("service.store.") in free:
            continue
        for trouble in rule(statement):
            yield f"{name}: {trouble}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_statement_follows_the_rule(rule: Rule) -> None:
    assert list(broken(rule)) == []


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        (every_alias_has_its_tenant, "SELECT 1 FROM payees AS z WHERE z.payee_id = $1"),
        (every_alias_has_its_tenant, "SELECT 1 FROM payees WHERE payee_id = $1"),
        (
            every_alias_has_its_tenant,
            "SELECT 1 FROM escrows AS e JOIN payees AS z USING (payee_id) WHERE e.tenant_id = $1",
        ),
        (every_alias_has_its_tenant, "SELECT 1 FROM closings AS c WHERE c.tenant_id = ANY($1)"),
        (no_row_without_a_type, "SELECT ROW(e.account) FROM entries AS e WHERE e.tenant_id = $1"),
        (no_lock_across_tenants, "SELECT 1 FROM effects WHERE due_at < $1 FOR UPDATE SKIP LOCKED"),
        (
            no_anti_join_with_an_array,
            "SELECT c FROM unnest($1::text[]) AS c WHERE NOT EXISTS (SELECT 1 FROM balances)",
        ),
        (
            no_fragment_without_returning,
            "WITH a AS (INSERT INTO journals SELECT * FROM unnest($1::write_journal[])) SELECT 1",
        ),
        (
            no_fragment_without_returning,
            "WITH a AS (UPDATE closings AS c SET due_at = $1 WHERE c.tenant_id = $2) SELECT 1",
        ),
        (
            no_function_on_conflict,
            "INSERT INTO closings VALUES ($1) ON CONFLICT DO UPDATE SET due_at = now()",
        ),
        (no_transaction_id, "SELECT pg_current_xact_id()"),
        (no_transaction_id, "SELECT 1 FROM balances WHERE xmax = 0"),
    ],
)
def test_a_bad_statement_would_be_found(rule: Rule, statement: str) -> None:
    assert rule(statement)


SHARED = {name: text for name, text in STATEMENTS.items() if "AS q (tenant_id" in text}


@pytest.mark.parametrize("name", sorted(SHARED))
def test_the_text_for_one_tenant_compares_every_table_with_it(name: str) -> None:
    statement = of_one_tenant(SHARED[name])

    assert every_alias_has_its_tenant(statement) == []
    assert "q.tenant_id" not in statement
    assert statement.count("tenant_id = $1::text") == SHARED[name].count("tenant_id = ")


async def test_the_text_for_one_tenant_fits_the_schema(owner: Connection) -> None:
    assert SHARED
    for statement in SHARED.values():
        await owner.prepare(of_one_tenant(statement))


@pytest.mark.parametrize("name", ORDER)
def test_each_fragment_returns_its_rows(name: str) -> None:
    assert no_fragment_without_returning(commit_statement((name,))) == []


def read_besides(name: str, statement: str) -> set[str]:
    """What a fragment reads that is not its own array."""
    read = re.findall(r"\b(?:(?<!DELETE )FROM|JOIN|USING) (\w+)", statement)
    return set(read) - {"unnest", f"wrote_{name}"}


@pytest.mark.parametrize("name", ORDER)
def test_no_fragment_reads_what_another_writes(name: str) -> None:
    assert read_besides(name, commit_statement((name,))) == set()


def test_a_fragment_that_does_would_be_found() -> None:
    statement = "WITH wrote_entries AS (INSERT INTO entries SELECT * FROM journals RETURNING 1)"

    assert read_besides("entries", statement) == {"journals"}


@pytest.mark.parametrize("name", sorted(WHY.keys() | DELEGATED))
def test_the_lists_name_statements_that_are_there(name: str) -> None:
    assert name in {short(each) for each in WRITTEN}


# What the schema itself has to hold.

KEYS = """\
SELECT i.indrelid::regclass::text AS of, i.indexrelid::regclass::text AS name,
    pg_get_indexdef(i.indexrelid, 1, true) AS first
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid
WHERE i.indisunique AND c.relnamespace = 'public'::regnamespace
AND c.relname <> 'schema_migrations'"""
FOREIGN_KEYS = """\
SELECT f.conrelid::regclass::text AS child, f.confrelid::regclass::text AS parent,
    f.conname AS name, a.attname AS first, p.attname AS first_of_parent
FROM pg_constraint AS f
JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
JOIN pg_attribute AS p ON p.attrelid = f.confrelid AND p.attnum = f.confkey[1]
WHERE f.contype = 'f' AND f.connamespace = 'public'::regnamespace"""
TABLES_WITHOUT_KEY = """\
SELECT c.relname FROM pg_class AS c
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
AND c.relname <> 'schema_migrations' AND NOT EXISTS (
    SELECT 1 FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = 'tenant_id'
)"""
NUMBERED = r"SELECT conname FROM pg_constraint WHERE conname ~ '_\d+$'"


@pytest.fixture
async def owner(postgres_server: Server, template_database: str) -> AsyncIterator[Connection]:
    async with (
        migrated_database(postgres_server, template_database) as database,
        connected(database.owner_dsn) as connection,
    ):
        yield connection


def others(rows: list[asyncpg.Record], *columns: str) -> list[str]:
    """Keys that do not begin with the tenant."""
    return [row["name"] for row in rows if any(row[column] != "tenant_id" for column in columns)]


async def test_every_key_begins_with_the_tenant(owner: Connection) -> None:
    assert await owner.fetch(TABLES_WITHOUT_KEY) == []
    assert others(await owner.fetch(KEYS), "first") == []
    assert others(await owner.fetch(FOREIGN_KEYS), "first", "first_of_parent") == []


async def test_a_key_that_does_not_would_be_found(owner: Connection) -> None:
    await owner.execute(
        "CREATE TABLE stray (stray_id uuid PRIMARY KEY, tenant_id text);"
        "CREATE TABLE child (tenant_id text, child_id uuid, stray_id uuid,"
        " PRIMARY KEY (tenant_id, child_id),"
        " CONSTRAINT child_stray FOREIGN KEY (stray_id) REFERENCES stray)"
    )

    assert [row["relname"] for row in await owner.fetch(TABLES_WITHOUT_KEY)] == ["stray"]
    assert others(await owner.fetch(KEYS), "first") == ["stray_pkey"]
    assert others(await owner.fetch(FOREIGN_KEYS), "first", "first_of_parent") == ["child_stray"]


def children_first(keys: list[asyncpg.Record], order: tuple[str, ...]) -> list[str]:
    """Foreign keys of which the child is written before its parent."""
    place = {name: number for number, name in enumerate(order)}
    return [key["name"] for key in keys if place[key["child"]] < place[key["parent"]]]


async def test_a_commit_writes_parents_before_children(owner: Connection) -> None:
    keys = await owner.fetch(FOREIGN_KEYS)

    assert children_first(keys, ORDER) == []
    assert len(children_first(keys, ORDER[::-1])) == len(keys) > 0


async def test_no_constraint_ends_like_that_of_a_shard(owner: Connection) -> None:
    """The number of a shard is taken off a constraint's name (commit.py)."""
    assert await owner.fetch(NUMBERED) == []

    await owner.execute("ALTER TABLE payers ADD CONSTRAINT payers_rule_2 CHECK (version >= 0)")
    assert [row["conname"] for row in await owner.fetch(NUMBERED)] == ["payers_rule_2"]
