"""The system under chaos: started once for many seeds, emptied before each of them."""

from contextlib import suppress

import asyncpg

from tests.world import CAPTURE_DELAY_MS, CONNECT_SECRET, PLATFORM_SECRET, TENANTS, World

TABLES = """
SELECT string_agg(format('%I', tablename), ', ') FROM pg_tables
WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"""
# How many events each statement stored. The service does not say, and chaos has to know whether
# events came together.
COUNT_ARRIVALS = """
CREATE TABLE IF NOT EXISTS chaos_arrivals (events bigint NOT NULL);
CREATE OR REPLACE FUNCTION count_arrivals() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    INSERT INTO chaos_arrivals SELECT count(*) FROM arrived;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER chaos_count_arrivals AFTER INSERT ON stripe_events
REFERENCING NEW TABLE AS arrived FOR EACH STATEMENT EXECUTE FUNCTION count_arrivals()"""

# The workers add these once in their life.
ADD_SWEEPS = """
INSERT INTO sweeps (tenant_id, stripe_account, due_at, compare_due_at)
SELECT tenant_id, '', now(), now() FROM unnest($1::text[]) AS tenant_id
ON CONFLICT DO NOTHING"""


async def start_afresh(world: World) -> None:
    """Forgets everything here and at Stripe; the processes keep running."""
    await world.sandbox.control("POST", "reset")
    await world.pool.execute(COUNT_ARRIVALS)
    tables = await world.pool.fetchval(TABLES)
    await _empty(world.pool, tables)
    await world.pool.execute(ADD_SWEEPS, list(TENANTS))
    await world.sandbox.control("POST", "settings", capture_delay_ms=CAPTURE_DELAY_MS)
    for name, secret in (("platform", PLATFORM_SECRET), ("connect", CONNECT_SECRET)):
        endpoint = await world.sandbox.stripe(
            "POST",
            "/v1/webhook_endpoints",
            url=f"{world.gateway_url}/stripe/default/{name}",
            connect="true" if name == "connect" else "false",
            **{"enabled_events[0]": "*"},
        )
        await world.sandbox.control(
            "POST", f"webhook_endpoints/{endpoint['id']}/roll_secret", secret=secret
        )


async def _empty(pool: asyncpg.Pool, tables: str) -> None:
    """A worker may just lock some of them, in another order."""
    while True:
        with suppress(asyncpg.DeadlockDetectedError):
            await pool.execute(f"TRUNCATE {tables} CASCADE")
            return
