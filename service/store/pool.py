"""The connection pool, set up so that rows and records travel in binary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import asyncpg


def _encode_jsonb(value: object) -> bytes:
    return b"\x01" + json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def _decode_jsonb(value: bytes) -> Any:  # noqa: ANN401  JSON is any of its types
    return json.loads(memoryview(value)[1:].tobytes())


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


async def open_pool(
    dsn: str,
    *,
    role: str = "escrow_service",
    min_size: int = 2,
    max_size: int = 10,
    command_timeout_s: float = 10.0,
    statement_cache_size: int = 200,
    settings: Mapping[str, str] | None = None,
) -> asyncpg.Pool:
    """Opens a pool whose connections work under ``role``, which cannot change the books.

    Behind PgBouncer in transaction mode: ``statement_cache_size=0``, and a login that has the
    role's rights itself with ``role=""``.
    """
    server_settings = {"application_name": "escrow", "jit": "off", **(settings or {})}
    if role:
        server_settings["role"] = role
    pool = await asyncpg.create_pool(
        dsn,
        ssl=False if "ssl" not in dsn else None,
        min_size=min_size,
        max_size=max_size,
        command_timeout=command_timeout_s,
        statement_cache_size=statement_cache_size,
        server_settings=server_settings,
        init=_prepare_connection,
        reset=_keep_connection,
    )
    assert pool is not None
    return pool
