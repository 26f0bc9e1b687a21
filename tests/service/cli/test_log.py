"""``escrow log`` and ``escrow watch``: what happened, from where it ended, and what happens now."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from service.store.sequence import seal_operations
from service.store.tails import TROUBLE_POLL_S
from tests.postgres import READER_LOGIN, Database
from tests.service.cli.processes import escrow_at
from tests.service.operations.marketplace import Marketplace

PATIENCE_S = 30.0
END_READERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND usename = $1"""


async def seal(market: Marketplace) -> None:
    await seal_operations(market.work_runtime.pool, market.tenant, most=1_000)


@asynccontextmanager
async def watching(
    database: Database, *arguments: str
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamReader]]:
    """What it says, and what it says of trouble."""
    ours = ("ESCROW_", "STRIPE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment["ESCROW_DATABASE_URL"] = database.reader_dsn
    command = (sys.executable, "-m", "service", "watch", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    try:
        yield process.stdout, process.stderr
    finally:
        process.terminate()
        await process.wait()


async def line(output: asyncio.StreamReader) -> str:
    return (await asyncio.wait_for(output.readline(), PATIENCE_S)).decode()


async def test_what_happened_and_what_happens(market: Marketplace, database: Database) -> None:
    """In one test, because each of its commands is a process of its own."""
    escrow = escrow_at(market, database)
    deal = await market.new_escrow()
    await seal(market)

    said = await escrow("log", deal.id)
    assert "create_escrow" in said.out
    assert f"{deal.id}: - -> AWAITING_FUNDS" in said.out
    cursor = said.out.rpartition("--after ")[2].strip()
    assert "nothing happened after it" in (await escrow("log", "--after", cursor)).out

    async with (
        watching(database, "--json", "--after", cursor) as (events, trouble),
        watching(database, deal.id, "--from-beginning") as (entries, more_trouble),
    ):
        assert "create_escrow" in await line(entries)
        await market.fund(deal)
        await seal(market)
        event: dict[str, Any] = json.loads(await line(events))
        assert (event["type"], event["escrow_id"]) == ("fund_escrow", deal.id)
        assert "fund_escrow" in await line(entries)

        await connections(market, database, 0)
        away = "the database does not answer; trying again"
        assert json.loads(await line(trouble)) == {"notice": away}
        assert await line(more_trouble) == f"{away}\n"
        await asyncio.sleep(2.5 * TROUBLE_POLL_S)  # it is said once
        await connections(market, database, -1)
        back = "the database answers again"
        assert json.loads(await line(trouble)) == {"notice": back}
        assert await line(more_trouble) == f"{back}\n"
        await market.new_escrow()
        await seal(market)
        while json.loads(await line(events))["type"] != "create_escrow":
            pass


async def connections(market: Marketplace, database: Database, most: int) -> None:
    """Ends what readers have open, and lets a database be opened so many times."""
    await market.owner.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT {most}")
    await market.owner.execute(END_READERS, READER_LOGIN)
