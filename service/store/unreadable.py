"""Rows that the database can hold and nothing here can read: one of them never fails a list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from service.domain.errors import DatabaseUnavailable

log = structlog.get_logger()

Row = TypeVar("Row")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Unreadable(Generic[Key]):
    """A row of which only the key can be shown, and why no more of it."""

    key: Key
    problem: str

    @classmethod
    def because(cls, key: Key, error: Exception) -> Unreadable[Key]:
        return cls(key, f"{type(error).__name__}: {error}"[:500])


async def read_all(
    together: Callable[[], Awaitable[list[Row]]],
    keys: Callable[[], Awaitable[Iterable[Key]]],
    alone: Callable[[Key], Awaitable[Row | None]],
) -> list[Row | Unreadable[Key]]:
    """The rows in one round trip; each by its key, in their order, when one of them is unreadable.

    Raises:
        DatabaseUnavailable.
    """
    try:
        return [*await together()]
    except DatabaseUnavailable:
        raise
    except Exception:  # noqa: BLE001  whichever it is, and for whatever it holds
        rows = [await _read(key, alone) for key in await keys()]
        return [row for row in rows if row is not None]


async def read_leased(
    lease: Callable[[], Awaitable[list[Row]]],
    leased: Callable[[], Awaitable[Iterable[Key]]],
    alone: Callable[[Key], Awaitable[Row | None]],
) -> list[Row]:
    """What a worker has leased, in one round trip. Of rows among which one is unreadable the others
    are read each by its key, from those that are ``leased``: the one is logged, and is leased again
    when its lease is over.

    Raises:
        DatabaseUnavailable. Whatever fails the lease itself.
    """
    try:
        return await lease()
    except DatabaseUnavailable:
        raise
    except Exception:
        rows = [row for key in await leased() if (row := await _read(key, alone)) is not None]
        if not rows:
            raise  # none was leased
    for row in rows:
        if isinstance(row, Unreadable):
            log.error("leased row unreadable", row=str(row.key), problem=row.problem)
    return [row for row in rows if not isinstance(row, Unreadable)]


async def _read(
    key: Key, alone: Callable[[Key], Awaitable[Row | None]]
) -> Row | Unreadable[Key] | None:
    try:
        return await alone(key)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  likewise
        return Unreadable.because(key, error)
