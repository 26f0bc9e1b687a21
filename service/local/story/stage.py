"""What the story is played with: the client, the pages, the new journals and the narrator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from rich.console import Console

from escrow.client import EscrowClient, connect
from service.config import DatabaseRole
from service.database import pooled_database
from service.local.database import local_settings
from service.local.folder import Addresses
from service.local.identities import STORY
from service.local.story.hosted_pages import HostedPages
from service.local.story.narrator import Narrator
from service.local.story.new_journals import NewJournals


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything the story needs. ``pages`` is None where only a person can act as customer."""

    client: EscrowClient
    pages: HostedPages | None
    journals: NewJournals
    narrator: Narrator


@asynccontextmanager
async def open_stage(addresses: Addresses, console: Console) -> AsyncIterator[Stage]:
    """A stage in front of a running system."""
    async with (
        connect(
            addresses.grpc,
            tenant=addresses.tenant,
            caller=STORY,
            credentials=addresses.identities.files(STORY),
        ) as client,
        pooled_database(local_settings(addresses.database_url), DatabaseRole.READER) as pool,
        aiohttp.ClientSession() as http,
    ):
        pages = HostedPages(addresses.sandbox, http) if addresses.sandbox else None
        yield Stage(client, pages, NewJournals(pool, addresses.tenant), Narrator(console))
