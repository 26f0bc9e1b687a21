"""How records become rows and rows become records.

A record's fields are its table's columns, so this is the only place that knows how to name, write
and read them.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from service.domain import model

R = TypeVar("R")

# Where a page begins that names no id to begin below. A bound, and not a condition on the absence
# of one, so that every page is found by index.
NO_ID_YET = "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are written whole. ``row_type`` is the type of one written row."""

    record: type
    name: str
    row_type: str
    key: tuple[str, ...]

    @property
    def versioned(self) -> bool:
        return "version" in columns(self.record)


TABLES = (
    Table(model.Payer, "payers", "write_payer", ("tenant_id", "payer_id")),
    Table(model.Payee, "payees", "write_payee", ("tenant_id", "payee_id")),
    Table(model.Escrow, "escrows", "write_escrow", ("tenant_id", "escrow_id")),
    Table(
        model.Milestone,
        "milestones",
        "write_milestone",
        ("tenant_id", "escrow_id", "milestone_id"),
    ),
    Table(
        model.LineItem,
        "line_items",
        "write_line_item",
        (),  # append-only
    ),
    Table(model.Payment, "payments", "write_payment", ("tenant_id", "payment_id")),
    Table(model.Release, "releases", "write_release", ("tenant_id", "escrow_id", "release_id")),
    Table(model.Payout, "payouts", "write_payout", ("tenant_id", "payout_id")),
    Table(model.Effect, "effects", "write_effect_v2", ("tenant_id", "effect_id")),
)


@cache
def columns(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(record))


def select_list(record: type, alias: str) -> str:
    """``e.tenant_id, e.escrow_id, ...``: every column, in the order of the record's fields."""
    return ", ".join(f"{alias}.{column}" for column in columns(record))


@cache
def to_row(record: type) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*columns(record))


@cache
def key_of(record: Hashable) -> Callable[[Any], tuple[Any, ...]]:
    """What tells a record from every other of its table."""
    table = next(table for table in TABLES if table.record is record)
    return attrgetter(*(table.key or columns(table.record)[:4]))


@cache
def _state_fields(record: Hashable) -> tuple[tuple[int, Mapping[str, StrEnum]], ...]:
    """The places of a record's states, and the states by their names."""
    assert isinstance(record, type)
    hints = typing.get_type_hints(record)
    return tuple(
        (index, {state.value: state for state in hints[column]})
        for index, column in enumerate(columns(record))
        if isinstance(hints[column], type) and issubclass(hints[column], StrEnum)
    )


def from_row(record: type[R], row: Iterable[Any]) -> R:
    """Builds a record from the columns of ``select_list``."""
    values = list(row)
    for index, states in _state_fields(typing.cast(Hashable, record)):
        values[index] = states[values[index]]
    return record(*values)
