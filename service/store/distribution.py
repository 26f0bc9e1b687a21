"""What distributes the tables and functions of a tenant over a cluster, from the catalog."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from service.migrations import Connection

HAS_CITUS = "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')"
# Every table with a tenant, and the tables that its foreign keys point to.
TABLES = """\
SELECT c.relname AS name, ARRAY(
    SELECT p.relname FROM pg_constraint AS f JOIN pg_class AS p ON p.oid = f.confrelid
    WHERE f.conrelid = c.oid AND f.contype = 'f' AND p.oid <> c.oid
)::text[] AS parents
FROM pg_class AS c
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
ORDER BY c.relname"""
# Functions that belong to the node of their tenant say so by the name of their first parameter.
FUNCTIONS = """\
SELECT p.oid::regprocedure::text FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace AND p.proargnames[1] = 'of_tenant'
ORDER BY 1"""
DISTRIBUTED = "SELECT logicalrelid::regclass::text FROM pg_dist_partition"
# Triggers of the schema read their transition table, or rows of one tenant.
SETTINGS = (
    "SET citus.enable_unsafe_triggers = on",
    *(f"ALTER ROLE {role} LOGIN" for role in ("escrow_reader", "escrow_service", "escrow_worker")),
)
DATABASE_SETTINGS = """\
SELECT format('ALTER DATABASE %I SET citus.enable_unsafe_triggers = on', current_database())"""


async def has_citus(connection: Connection) -> bool:
    return bool(await connection.fetchval(HAS_CITUS))


async def distribution_calls(connection: Connection) -> list[str]:
    """The statements that distribute what is not distributed yet, in their order."""
    done = set()
    if await has_citus(connection):
        done = {row[0] for row in await connection.fetch(DISTRIBUTED)}
    tables = parents_first({row[0]: row[1] for row in await connection.fetch(TABLES)})
    root = tables[0]
    calls = [*SETTINGS, await connection.fetchval(DATABASE_SETTINGS)]
    calls += [
        f"SELECT create_distributed_table('{table}', 'tenant_id'"
        + ("" if table == root else f", colocate_with => '{root}'")
        + ")"
        for table in tables
        if table not in done
    ]
    calls += [
        f"SELECT create_distributed_function('{function}', 'of_tenant', colocate_with => '{root}')"
        for (function,) in await connection.fetch(FUNCTIONS)
    ]
    return calls


def parents_first(parents_of: Mapping[str, Collection[str]]) -> list[str]:
    """The names, each after those that its foreign keys point to."""
    waiting = {name: set(parents) for name, parents in parents_of.items()}
    ordered: list[str] = []
    while waiting:
        ready = [name for name, parents in waiting.items() if parents <= set(ordered)]
        if not ready:
            raise ValueError(f"foreign keys in a circle: {sorted(waiting)}")
        ordered += ready
        for name in ready:
            del waiting[name]
    return ordered
