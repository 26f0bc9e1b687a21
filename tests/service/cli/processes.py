"""The command line as a process of its own, at the database and the Stripe of a test."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from service.config import Config, Settings, Tenant
from service.server import running
from tests.forked import Said, run_escrow
from tests.postgres import Database
from tests.service.operations.marketplace import API_KEY, Marketplace

OPERATOR = "jo@example.com"

__all__ = ["OPERATOR", "Run", "Said", "escrow_at", "served"]


Run = Callable[..., Awaitable[Said]]


READING = {"show", "journals", "balances", "trial-balance", "verify", "list", "diff"}


def _least_login(database: Database, *arguments: str) -> str:
    """The DSN of who may do no more than this command needs: what changes something asks the
    service, which has its own.
    """
    if arguments[0] == "sweep" or "--stripe" in arguments:
        return database.worker_dsn
    return database.reader_dsn


def escrow_at(market: Marketplace, database: Database, **settings: str) -> Run:
    """Runs ``escrow`` with these arguments; it knows the tenant ``default`` alone, unless the
    settings say otherwise.
    """
    ours = ("ESCROW_", "STRIPE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "ESCROW_AUTH": "development",
        "ESCROW_SERVICE_TARGET": f"127.0.0.1:{market.running.port}",
        "STRIPE_SECRET_KEY": API_KEY,
        "STRIPE_API_BASE": market.sandbox.url,
        "ESCROW_OPERATOR": OPERATOR,
    }
    if settings:
        environment = {n: v for n, v in environment.items() if not n.startswith("STRIPE_")}
        environment |= settings

    async def run(*arguments: str) -> Said:
        url = _least_login(database, *arguments)
        login = {"ESCROW_DATABASE_URL": url}
        reads = not READING.isdisjoint(arguments[:2])
        if reads and "--stripe" not in arguments:  # it needs nothing else
            login |= {"ESCROW_AUTH": "", "STRIPE_SECRET_KEY": "", "STRIPE_API_BASE": ""}
        return await run_escrow(arguments, environment | login)

    return run


@asynccontextmanager
async def served(
    market: Marketplace, database: Database, variables: Mapping[str, str]
) -> AsyncIterator[str]:
    """A second service on the same database, where callers prove who they are; its address."""
    given: dict[str, Any] = {
        name.removeprefix("ESCROW_").lower(): text for name, text in variables.items()
    }
    settings = Settings(
        database_url=database.service_dsn,  # type: ignore[arg-type]  # read from text, as ever
        grpc_port=0,
        drain_s=1,
        **given,
    )
    config = Config(settings, {"default": Tenant(API_KEY, market.sandbox.url, 1000)})
    async with running(config, serve=True, work=False) as everything:
        yield f"127.0.0.1:{everything.port}"
