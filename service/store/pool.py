"""The connection pool: rows and records travel in binary, plans use indexes, and a database that
cannot be reached is a refusal of the domain, whatever statement finds it out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import asyncpg
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

from service.domain.errors import DatabaseUnavailable
from service.store.engine import POSTGRESQL, Engine
from service.store.shared_loads import SharedLoads
from service.store.turns import Turns

# Every statement of the service finds its rows by index. The planner guesses the length of an array
# or of a LIMIT that it cannot see, and would rather hash and scan the whole of a growing table.
INDEX_PLANS = {"enable_hashjoin": "off", "enable_mergejoin": "off", "enable_seqscan": "off"}
PLANNING = {"jit": "off", **INDEX_PLANS}

# The database is away, going away, or in other hands: no statement is wrong, and none was right.
OUTAGES = (
    OSError,  # and TimeoutError
    asyncpg.InterfaceError,  # the connection or the pool is closed
    asyncpg.InternalClientError,  # a connection handed out while the server was ending it
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,  # its password is being changed
    asyncpg.OperatorInterventionError,  # shutting down, starting up, canceled
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,  # this one is no longer the primary
)


class _Acquired(PoolAcquireContext):
    """A connection for a while; an outage meanwhile is raised as DatabaseUnavailable."""

    async def __aenter__(self) -> PoolConnectionProxy[asyncpg.Record]:
        try:
            return await super().__aenter__()
        except OUTAGES as error:
            raise DatabaseUnavailable from error

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        error = exc[1]
        if isinstance(error, OUTAGES):
            raise DatabaseUnavailable from error


class ServicePool(asyncpg.Pool):
    """A pool that every method of asyncpg's works on, and that raises DatabaseUnavailable.

    ``loads`` are what concurrent requests read together, ``turns`` whose turn it is at what they
    change.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  asyncpg's own
        engine: Engine,
        **settings: Any,  # noqa: ANN401  likewise
    ) -> None:
        super().__init__(*args, **settings)
        self.engine = engine
        self.loads = SharedLoads(self, per_tenant=engine.per_tenant)
        self.turns = Turns()

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext[asyncpg.Record]:
        return _Acquired(self, timeout)


# Made once: json.dumps and json.loads would make one for every value.
_TO_JSON = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode
_FROM_JSON = json.JSONDecoder().decode


def _encode_jsonb(value: object) -> bytes:
    if value == {}:  # as most are
        return b"\x01{}"
    return b"\x01" + _TO_JSON(value).encode()


def _decode_jsonb(value: bytes) -> Any:  # noqa: ANN401  JSON is any of its types
    return _FROM_JSON(value[1:].decode())


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    # Binary, because a text codec cannot be used inside the arrays of rows that we send and read.
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=_encode_jsonb,
        decoder=_decode_jsonb,
        format="binary",
    )


async def _keep_connection(_: asyncpg.Connection) -> None:
    """Replaces asyncpg's reset on release, which costs a round trip: nothing here leaves state in
    a session (no temporary tables, advisory locks, cursors or SET outside a transaction).
    """


async def lease_tenant_by_tenant(
    pool: ServicePool, tenants: str, lease: str, now: datetime, until: datetime, limit: int
) -> list[asyncpg.Record]:
    """Finds the tenants with work that is due, and leases at most ``limit`` rows of them in turn.

    ``lease`` takes the parameters now, until, limit and the tenant.
    """
    leased: list[asyncpg.Record] = []
    for (tenant_id,) in await pool.fetch(tenants, now):
        if len(leased) >= limit:
            break
        leased += await pool.fetch(lease, now, until, limit - len(leased), tenant_id)
    return leased


async def open_pool(  # noqa: PLR0913  each is a setting of its own
    dsn: str,
    *,
    password: Callable[[], str] | None = None,
    role: str = "escrow_service",
    min_size: int = 2,
    max_size: int = 10,
    command_timeout_s: float = 10.0,
    statement_cache_size: int = 200,
    settings: Mapping[str, str] | None = None,
    engine: Engine = POSTGRESQL,
) -> ServicePool:
    """Opens a pool whose connections work under ``role``, which cannot change the books.
    ``password`` is asked for every connection, where the URL has none.

    Behind PgBouncer in transaction mode: ``statement_cache_size=0``, and a login that has the
    role's rights, and the settings ``PLANNING`` and the engine's, itself, with ``role=""``:
    PgBouncer refuses settings that it does not know.
    """
    server_settings = {"application_name": "escrow"}
    if statement_cache_size:
        server_settings |= PLANNING | dict(engine.settings)
    if role:
        server_settings["role"] = role
    pool = ServicePool(
        dsn,
        password=password,
        ssl=False if "ssl" not in dsn else None,
        min_size=min_size,
        max_size=max_size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        command_timeout=command_timeout_s,
        statement_cache_size=statement_cache_size,
        server_settings=server_settings | dict(settings or {}),
        init=_prepare_connection,
        reset=_keep_connection,
        engine=engine,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
    )
    await pool
    return pool
