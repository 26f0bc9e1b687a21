"""``--csv``: a table for a spreadsheet, with a fixed header, to a file or to standard output.

As RFC 4180 has it, in UTF-8. Amounts are in minor units, with their currency in a column of its
own. A text that a spreadsheet would take for a formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer

from service.cli.printing import writing

STANDARD_OUTPUT = "-"
# With their full-width twins, which some spreadsheets take for the same.
FORMULA = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")

Csv = Annotated[
    str | None, typer.Option("--csv", metavar="FILE", help="Write CSV into a file; - prints it.")
]
Cell = str | int | datetime | None
WriteRow = Callable[[Sequence[Cell]], None]


class CsvProblem(Exception):
    """The file cannot be written. The message is one line."""


@contextmanager
def csv_rows(target: str, header: Sequence[str]) -> Iterator[WriteRow]:
    """A function that writes a row. A file is there when all of it has been written, or is as it
    was before.

    Raises:
        CsvProblem.
    """
    with _opened(target) as file:
        writer = csv.writer(file)

        def write(cells: Sequence[Cell]) -> None:
            with writing() if target == STANDARD_OUTPUT else _writing(target):
                writer.writerow([*map(_safe, cells)])

        write(header)
        yield write


@contextmanager
def _opened(target: str) -> Iterator[TextIO]:
    if target == STANDARD_OUTPUT:
        yield sys.stdout
        with writing():
            sys.stdout.flush()
        return
    path = Path(target)
    with _writing(target):
        special = path.exists() and not path.is_file()  # a pipe, or /dev/stdout
    if not special:  # where a link leads, and the link stays
        path = Path(os.path.realpath(path))
        if path.is_symlink():  # it leads to itself
            with _writing(target):
                path.stat()
    written = path if special else path.with_name(f".{path.name}.{os.getpid()}.part")
    with _writing(target):
        file = written.open("w", encoding="utf-8", newline="")
    try:
        with file:
            yield file
            with _writing(target):
                file.close()
        if not special:
            with _writing(target):
                written.replace(path)
    finally:
        if not special:
            written.unlink(missing_ok=True)


@contextmanager
def _writing(target: str) -> Iterator[None]:
    """Raises CsvProblem. What reads the database meanwhile has errors of its own."""
    try:
        yield
    except OSError as problem:
        raise CsvProblem(f"cannot write {target}: {problem.strerror or problem}") from problem


def _safe(cell: Cell) -> str | int:
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(FORMULA) else cell
    return "" if cell is None else cell
