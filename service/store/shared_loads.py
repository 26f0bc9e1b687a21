"""Loads of concurrent requests share one round trip: all that wait are loaded together.

A shared statement is written for many at once: its parameters are arrays, an element for each who
asks, and it answers one row for each of them, in their order. Operations do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import asyncpg

from service.domain.errors import DatabaseUnavailable
from service.store.lane import Lane, halves
from service.store.tracing import LOADS

Arguments: TypeAlias = tuple[Any, ...]


def asked(parameters: Mapping[str, str]) -> str:
    """The loads that wait, as an SQL expression: ``q.tenant_id`` and so on, by name and type.

    Join what is found to it with LEFT JOIN LATERAL, and end with ``IN_ORDER``.
    """
    arrays = ", ".join(
        f"${number}::{kind}[]" for number, kind in enumerate(parameters.values(), start=1)
    )
    return f"unnest({arrays}) WITH ORDINALITY AS q ({', '.join(parameters)}, place)"


IN_ORDER = "ORDER BY q.place"


def of_one_tenant(statement: str) -> str:
    """The same shared statement for one tenant, who is its first parameter: on a cluster, a plan
    finds the node by a tenant that every table is compared with.
    """
    statement = statement.replace("unnest($1::text[], ", "unnest(")
    statement = statement.replace("AS q (tenant_id, ", "AS q (")
    return re.sub(r"= \w+\.tenant_id\b", "= $1::text", statement)


class SharedLoads:
    """Runs shared statements, each in a lane of its own."""

    def __init__(self, pool: asyncpg.Pool, *, per_tenant: bool = False) -> None:
        self._pool = pool
        self._per_tenant = per_tenant
        self._lanes: dict[tuple[str, object], Lane[Arguments, asyncpg.Record]] = {}

    async def row(self, statement: str, *arguments: object) -> asyncpg.Record:
        """The row for these arguments, one for each parameter of ``asked``.

        It was read after this call: no load joins a statement that is under way.

        Raises:
            DatabaseUnavailable.
        """
        name = statement, arguments[0] if self._per_tenant else None
        lane = self._lanes.get(name)
        if lane is None:

            async def run(batch: Sequence[Arguments]) -> Sequence[asyncpg.Record | Exception]:
                return await self._load(statement, batch)

            lane = self._lanes[name] = Lane(run, batches=LOADS)
        return await lane.join(arguments)

    async def _fetch(self, statement: str, batch: Sequence[Arguments]) -> list[asyncpg.Record]:
        parameters: list[Any] = list(zip(*batch, strict=True))
        if self._per_tenant:
            statement, parameters[0] = of_one_tenant(statement), batch[0][0]
        rows: list[asyncpg.Record] = await self._pool.fetch(statement, *parameters)
        return rows

    async def _load(
        self, statement: str, batch: Sequence[Arguments]
    ) -> Sequence[asyncpg.Record | Exception]:
        try:
            rows = await self._fetch(statement, batch)
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  each load gets its own result
            if len(batch) == 1:
                return [error]
            first, second = halves(batch)
            return [*await self._load(statement, first), *await self._load(statement, second)]
        return rows
