"""The command line as a process of its own, at the database and the Stripe of a test."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.postgres import Database
from tests.service.operations.marketplace import API_KEY, Marketplace


@dataclass(frozen=True)
class Said:
    status: int | None
    out: str
    err: str

    def row(self, *first: str) -> list[str]:
        """The columns of the line of a table that begins with these, amounts without currency."""
        lines = (line.replace(" USD", "").split() for line in self.out.splitlines())
        return next(line for line in lines if line[: len(first)] == list(first))


Run = Callable[..., Awaitable[Said]]


def escrow_at(market: Marketplace, database: Database, **settings: str) -> Run:
    """Runs ``escrow`` with these arguments; it knows the tenant ``default`` alone, unless the
    settings say otherwise.
    """
    ours = ("ESCROW_", "STRIPE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": database.service_dsn,
        "STRIPE_SECRET_KEY": API_KEY,
        "STRIPE_API_BASE": market.sandbox.url,
    }
    if settings:
        environment = {n: v for n, v in environment.items() if not n.startswith("STRIPE_")}
        environment |= settings

    async def run(*arguments: str) -> Said:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service", *arguments),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Said(process.returncode, out.decode(), err.decode())

    return run
