"""How the story is printed: acts, and their steps with the journals that each one posts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding

from service.ledger_tables import journals_table
from service.store.journals import JournalRecord

PAUSE_S = 0.4  # for a person who watches


@dataclass(slots=True)
class Step:
    """The result of a step: a short text, and the journals it posted."""

    says: str = ""
    journals: list[JournalRecord] = field(default_factory=list)


class Narrator:
    """Prints the story on a console: a spinner while something happens, then what happened."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def act(self, title: str) -> None:
        self.console.print()
        self.console.print(f"[bold]{escape(title)}[/]")

    def remark(self, text: str) -> None:
        self.console.print(f"\n[dim]{escape(text)}[/]")

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Prints a step when it is done; of one that fails, the error is printed instead."""
        done = Step()
        with self.console.status(f"[dim]{escape(title)}[/]"):
            yield done
        says = f" [dim]· {escape(done.says)}[/]" if done.says else ""
        self.console.print(f"  [green]✓[/] {escape(title)}{says}")
        if done.journals:
            self.show(journals_table(done.journals))

    def show(self, what: RenderableType) -> None:
        self.console.print(Padding.indent(what, 2))

    def ask(self, what: str, url: str) -> None:
        """Asks the person at the terminal to do something on a page."""
        self.console.print(f"  [yellow]→[/] {escape(what)}")
        self.console.print(f"    {url}", markup=False, soft_wrap=True)

    async def pause(self) -> None:
        if self.console.is_terminal:
            await asyncio.sleep(PAUSE_S)
