"""Rows that the database can hold and nothing here can read: one of them never fails a list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from service.domain.errors import DatabaseUnavailable

Row = TypeVar("Row")
Key = TypeVar("Key", UUID, int)


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


async def _read(
    key: Key, alone: Callable[[Key], Awaitable[Row | None]]
) -> Row | Unreadable[Key] | None:
    try:
        return await alone(key)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  likewise
        return Unreadable.because(key, error)
