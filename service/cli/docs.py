"""``escrow docs``: the tables that the code goes by, written as documents that cannot drift."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.docs_events import events
from service.cli.docs_tables import DOCUMENTS
from service.cli.printing import people
from service.cli.settings_table import settings

ALL = {**DOCUMENTS, "events.md": events, "settings.md": settings}
FOLDER = Path(__file__).parents[2] / "docs" / "generated"


class DocsDiffer(Exception):
    """The documents are not what the tables say. The message is one line."""


def docs(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Compare instead of writing; exit status 2 on a drift.")
    ] = False,
) -> None:
    """Writes the states, postings, refusals, policy, events and settings into docs/generated/."""
    texts = {FOLDER / name: write() for name, write in ALL.items()}
    if check:
        _compare(texts)
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        file.write_text(text, "utf-8")
        people.print(f"wrote {file.relative_to(FOLDER.parents[1])}")


def _compare(texts: dict[Path, str]) -> None:
    differing = [
        file.name
        for file, text in texts.items()
        if not file.exists() or file.read_text("utf-8") != text
    ]
    if differing:
        raise DocsDiffer(
            f"docs/generated is not what the tables say ({', '.join(differing)}): run `make docs`"
        )
