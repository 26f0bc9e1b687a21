"""What the story is played with: the service's client, the pages, the books, and who tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import aiohttp
import asyncpg
import grpc
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.padding import Padding

from escrow.client import EscrowClient, connect, reason_of
from service.database import pooled_database
from service.domain import ids
from service.domain.ledger import Kind
from service.ledger_tables import journals_table
from service.local.database import local_settings
from service.local.setup import Addresses
from service.local.story.hosted_pages import HostedPages, PageProblem
from service.store.journals import JournalRecord, journals_after

T = TypeVar("T")

DEADLINE_S = 30.0
POLL_S = 0.1
PAUSE_S = 0.4  # for a person who watches
READ_AT_ONCE = 1_000
LONGEST_COMMIT = timedelta(seconds=30)


class StoryStuck(Exception):
    """What should have happened did not, or the service refused. The message is one line."""


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turns what the service, a page or the network may refuse into StoryStuck."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        reason = reason_of(error) or error.code().name
        raise StoryStuck(f"the service refused: {reason}: {error.details()}") from error
    except (PageProblem, aiohttp.ClientError) as error:
        raise StoryStuck(f"a page of the sandbox failed: {error}") from error


class Ledger:
    """The journals since a moment, in the order of the books, each told once."""

    def __init__(self, pool: asyncpg.Pool, tenant: str) -> None:
        self.pool = pool
        self.tenant = tenant
        self._since = datetime.now(UTC)
        self._seen: set[UUID] = set()
        self._waiting: list[JournalRecord] = []

    async def read(self) -> None:
        """Looks for what was booked since the last look.

        An id is older than its commit, so the last seconds are read again each time.
        """
        self._since = max(self._since, datetime.now(UTC) - LONGEST_COMMIT)
        floor = journal_floor(self._since)
        found = await journals_after(self.pool, self.tenant, floor, limit=READ_AT_ONCE)
        self._waiting += [journal for journal in found if journal.journal_id not in self._seen]
        self._seen = {journal.journal_id for journal in found}

    async def take(self, *kinds: Kind, about: Collection[str]) -> list[JournalRecord]:
        """Waits until each of the kinds was booked about one of these, and takes those."""
        taken: list[JournalRecord] = []

        async def all_there() -> bool:
            await self.read()
            found = [self._first(kind, about) for kind in kinds]
            taken[:] = [journal for journal in found if journal is not None]
            return len(taken) == len(kinds)

        await until(all_there, f"in the books: {', '.join(kinds)}")
        self._waiting = [journal for journal in self._waiting if journal not in taken]
        return taken

    def take_all(self) -> list[JournalRecord]:
        """Whatever waits."""
        taken, self._waiting = self._waiting, []
        return taken

    def _first(self, kind: Kind, about: Collection[str]) -> JournalRecord | None:
        return next((j for j in self._waiting if j.kind == kind and _is_about(j, about)), None)


def journal_floor(moment: datetime) -> UUID:
    """Below every UUIDv7 of this moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _is_about(journal: JournalRecord, about: Collection[str]) -> bool:
    """Whether it is of one of these escrows, or touches an account of one of these Stripe ids."""
    if journal.escrow_id is not None:
        return ids.show(ids.ESCROW, journal.escrow_id) in about
    return any(name in entry.account.split(":") for entry in journal.entries for name in about)


async def until(condition: Callable[[], Awaitable[T | None]], what: str) -> T:
    """Asks again and again until the answer is true, and returns it. Raises StoryStuck."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE_S
    while not (answer := await condition()):
        if loop.time() > deadline:
            raise StoryStuck(f"after {DEADLINE_S:.0f} s still not {what}; the logs may say why")
        await asyncio.sleep(POLL_S)
    return answer


@dataclass(slots=True)
class Step:
    """One thing that happens: the title is what happens, ``says`` what came of it."""

    says: str = ""
    journals: list[JournalRecord] = field(default_factory=list)


class Narrator:
    """Tells the story on a console: a spinner while something happens, then what happened."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def act(self, title: str) -> None:
        self.console.print()
        self.console.print(f"[bold]{escape(title)}[/]")

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Tells a step when it is done; one that fails is told by its error."""
        told = Step()
        with self.console.status(f"[dim]{escape(title)}[/]"):
            yield told
        says = f" [dim]· {escape(told.says)}[/]" if told.says else ""
        self.console.print(f"  [green]✓[/] {escape(title)}{says}")
        if told.journals:
            self.show(journals_table(told.journals))

    def show(self, what: RenderableType) -> None:
        self.console.print(Padding.indent(what, 2))

    def ask(self, what: str, url: str) -> None:
        """Something that only a person can do, on a page."""
        self.console.print(f"  [yellow]→[/] {escape(what)}")
        self.console.print(f"    {url}", markup=False, soft_wrap=True)

    async def pause(self) -> None:
        if self.console.is_terminal:
            await asyncio.sleep(PAUSE_S)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the story needs. ``pages`` is None where only a person can act as customer."""

    client: EscrowClient
    pages: HostedPages | None
    ledger: Ledger
    narrator: Narrator


@asynccontextmanager
async def open_stage(addresses: Addresses, console: Console) -> AsyncIterator[Stage]:
    """A stage in front of a running system."""
    async with (
        connect(addresses.grpc, tenant=addresses.tenant, caller="story") as client,
        pooled_database(local_settings(addresses.database_url)) as pool,
        aiohttp.ClientSession() as http,
    ):
        pages = HostedPages(addresses.sandbox, http) if addresses.sandbox else None
        yield Stage(client, pages, Ledger(pool, addresses.tenant), Narrator(console))
