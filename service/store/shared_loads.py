"""Loads of concurrent requests share one round trip: all that wait are loaded together.

A shared statement is written for many at once: its parameters are arrays, an element for each who
asks, and it answers one row for each of them, in their order. Operations do not know.
"""

from __future__ import annotations

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


class SharedLoads:
    """Runs shared statements, each in a lane of its own."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._lanes: dict[str, Lane[Arguments, asyncpg.Record]] = {}

    async def row(self, statement: str, *arguments: object) -> asyncpg.Record:
        """The row for these arguments, one for each parameter of ``asked``.

        It was read after this call: no load joins a statement that is under way.

        Raises:
            DatabaseUnavailable.
        """
        lane = self._lanes.get(statement)
        if lane is None:

            async def run(batch: Sequence[Arguments]) -> Sequence[asyncpg.Record | Exception]:
                return await self._load(statement, batch)

            lane = self._lanes[statement] = Lane(run, batches=LOADS)
        return await lane.join(arguments)

    async def _load(
        self, statement: str, batch: Sequence[Arguments]
    ) -> Sequence[asyncpg.Record | Exception]:
        try:
            rows: list[asyncpg.Record] = await self._pool.fetch(
                statement, *zip(*batch, strict=True)
            )
        except DatabaseUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  each load gets its own result
            if len(batch) == 1:
                return [error]
            first, second = halves(batch)
            return [*await self._load(statement, first), *await self._load(statement, second)]
        return rows
