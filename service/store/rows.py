"""How records become rows and rows become records.

A record's fields are its table's columns, so nothing else names, writes or parses them.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from service.store.tables import TABLES, columns

R = TypeVar("R")

# Where a page begins that names no id to begin below. A bound, and not a condition on the absence
# of one, so that every page is found by index.
NO_ID_YET = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"


def select_list(record: type, alias: str) -> str:
    """``e.tenant_id, e.escrow_id, ...``: every column, in the order of the record's fields."""
    return ", ".join(f"{alias}.{column}" for column in columns(record))


def typed(record: type, alias: str) -> str:
    """The row as one value of its table's named type, which crosses from node to node."""
    table = next(table for table in TABLES if table.record is record)
    return f"({select_list(record, alias)})::{table.row_type}"


@cache
def to_row(record: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*columns(record))


@cache
def key_of(record: Hashable) -> Callable[[Any], tuple[Any, ...]]:
    """What identifies a record within its table."""
    table = next(table for table in TABLES if table.record is record)
    return attrgetter(*(table.key or columns(table.record)[:4]))


@cache
def _state_fields(record: Hashable) -> tuple[tuple[int, Mapping[str, StrEnum]], ...]:
    """The places of a record's states, and the states by their names."""
    assert isinstance(record, type)
    hints = typing.get_type_hints(record)
    return tuple(
        (index, {state.value: state for state in kind})
        for index, column in enumerate(columns(record))
        for kind in (hints[column], *typing.get_args(hints[column]))
        if isinstance(kind, type) and issubclass(kind, StrEnum)
    )


@cache
def _time_fields(record: Hashable) -> tuple[int, ...]:
    """The places of a record's times."""
    assert isinstance(record, type)
    hints = typing.get_type_hints(record)
    return tuple(
        index
        for index, column in enumerate(columns(record))
        if datetime in (hints[column], *typing.get_args(hints[column]))
    )


def from_row(record: type[R], row: Iterable[Any]) -> R:
    """Builds a record from the columns of ``select_list``.

    Raises:
        Exception: of any kind, for what the database can hold and a record cannot.
    """
    values = list(row)
    for index, states in _state_fields(typing.cast(Hashable, record)):
        if values[index] is not None:
            values[index] = states[values[index]]
    for index in _time_fields(typing.cast(Hashable, record)):
        # asyncpg writes the first and the last moment that a datetime can hold as -infinity and
        # infinity, and reads these without a zone.
        if values[index] is not None and values[index].tzinfo is None:
            values[index] = values[index].replace(tzinfo=UTC)
    return record(*values)
