"""The journals that are booked while the story is played."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from service.domain import ids
from service.domain.postings import JournalKind
from service.local.story.stuck import until
from service.store.journals import JournalRecord, journals_after

READ_AT_ONCE = 1_000
LONGEST_COMMIT = timedelta(seconds=30)


class NewJournals:
    """The journals since this object was made, in the order of the books, each taken once."""

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

    async def take(self, *kinds: JournalKind, about: Collection[str]) -> list[JournalRecord]:
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
        """All journals that were read and not taken yet."""
        taken, self._waiting = self._waiting, []
        return taken

    def _first(self, kind: JournalKind, about: Collection[str]) -> JournalRecord | None:
        return next((j for j in self._waiting if j.kind == kind and _is_about(j, about)), None)


def journal_floor(moment: datetime) -> UUID:
    """An id that is smaller than every UUIDv7 of this moment."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _is_about(journal: JournalRecord, about: Collection[str]) -> bool:
    """Whether it is of one of these escrows, or touches an account of one of these Stripe ids."""
    if journal.escrow_id is not None:
        return ids.show(ids.ESCROW, journal.escrow_id) in about
    return any(name in entry.account.split(":") for entry in journal.entries for name in about)
