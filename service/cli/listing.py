"""A list of any length as tables for people: a table as soon as enough rows for one have come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import typer
from rich.table import Table

from service.cli.printing import people
from service.cli.tables import print_table

Row = TypeVar("Row")
ROWS = 500  # of one table: columns are as wide as what is in it


class Listing(Generic[Row]):
    """Prints rows without keeping more than those of a table."""

    def __init__(self, table_of: Callable[[Sequence[Row]], Table]) -> None:
        self._table_of = table_of
        self._rows: list[Row] = []
        self._printed = False

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS:
            self._print()

    def end(self, nothing: str) -> None:
        """Prints the rest; ``nothing`` where there was no row at all."""
        if self._rows:
            self._print()
        elif not self._printed:
            people.print(nothing, markup=False)

    def _print(self) -> None:
        print_table(self._table_of(self._rows))
        self._rows, self._printed = [], True


def one_output(csv: str | None, *, as_json: bool) -> None:
    """Raises typer.BadParameter: both were asked for, or a file without a name."""
    if csv is not None and not csv.strip():
        raise typer.BadParameter(
            "must name a file, or be - for standard output", param_hint="--csv"
        )
    if csv and as_json:
        raise typer.BadParameter("cannot be used with --json", param_hint="--csv")
