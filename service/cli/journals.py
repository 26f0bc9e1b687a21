"""``escrow journals``: what was booked, as an accountant reads it."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any
from uuid import UUID

import typer

from service.cli.printing import AsJson, errors, people, print_json
from service.config import load_settings
from service.database import pooled_database
from service.domain import ids
from service.ledger_tables import journals_table, posting_number
from service.store.journals import JournalRecord, latest_journals
from service.store.unreadable import Unreadable

_ESCROW_ID = re.compile(r"esc_[0-9a-f]{32}")


def journals(
    escrow: Annotated[
        str | None, typer.Option(help='Only those of this escrow: "esc_...".')
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose books.")] = "default",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Prints the journals with their entries, oldest first."""
    if escrow is not None and not _ESCROW_ID.fullmatch(escrow):
        raise typer.BadParameter("must be an escrow's id: esc_ and 32 hexadecimal digits")
    found = asyncio.run(_find(tenant, escrow, limit))
    unreadable = [journal for journal in found if isinstance(journal, Unreadable)]
    readable = [journal for journal in found if not isinstance(journal, Unreadable)]
    if as_json:
        print_json([as_document(journal) for journal in readable])
    elif readable:
        people.print(journals_table(readable, with_header=True))
    elif not unreadable:
        people.print("nothing is booked")
    for damaged in unreadable:
        line = f"journal {damaged.key.hex} cannot be shown (escrow verify): {damaged.problem}"
        errors.print(line, style="red", markup=False, soft_wrap=True)


async def _find(
    tenant: str, escrow: str | None, limit: int
) -> list[JournalRecord | Unreadable[UUID]]:
    escrow_id = ids.parse(escrow) if escrow else None
    async with pooled_database(load_settings()) as pool:
        return await latest_journals(pool, tenant, escrow_id=escrow_id, limit=limit)


def as_document(journal: JournalRecord) -> dict[str, Any]:
    """A journal for a program, amounts in minor units."""
    return {
        "journal_id": journal.journal_id.hex,
        "kind": journal.kind,
        "posting": posting_number(journal.kind),
        "source": {"type": journal.source_type, "id": journal.source_id},
        "escrow_id": ids.show(ids.ESCROW, journal.escrow_id) if journal.escrow_id else None,
        "currency": journal.currency,
        "event_at": journal.event_at,
        "created_at": journal.created_at,
        "entries": [
            {
                "book": entry.book,
                "account": entry.account,
                "currency": entry.currency,
                "side": "debit" if entry.amount_minor > 0 else "credit",
                "amount_minor": abs(entry.amount_minor),
            }
            for entry in journal.entries
        ],
    }
