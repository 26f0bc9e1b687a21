"""Rows of facts as a table for people, with the columns that any of them fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from service.cli.printing import Voice, people

WIDEST = 10_000
Rows = Sequence[Mapping[str, str]]


def table(rows: Rows, *, right: Sequence[str] = ()) -> Table:
    """``right``: the columns whose texts end below each other, as amounts do."""
    names = [name for name in dict.fromkeys(n for row in rows for n in row) if _filled(rows, name)]
    made = Table(box=None, pad_edge=False)
    for name in names:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(escape(row.get(name, "")) for name in names))
    return made


def print_table(made: Table) -> None:
    """As wide as what is in it: an id that was broken could not be copied."""
    width = Measurement.get(people, people.options.update(width=WIDEST), made).maximum
    Voice(highlight=False, width=width).print(made)


def _filled(rows: Rows, name: str) -> bool:
    return any(row.get(name) for row in rows)
