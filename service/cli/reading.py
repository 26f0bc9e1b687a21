"""What the commands that only read open: the database, and nothing of Stripe or of callers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.config import Config, DatabaseRole, load_settings
from service.runtime import Runtime
from service.server import open_runtime
from service.telemetry import configure_logging


@asynccontextmanager
async def open_reader(*, logs: bool = True) -> AsyncIterator[Runtime]:
    """The runtime of operations that only read. It has no tenant's Stripe, whatever is configured.
    Without ``logs`` it is the command that says in its own words what its user has to know.

    Raises:
        ConfigError, DatabaseProblem.
    """
    settings = load_settings()
    configure_logging(settings.log_level if logs else "critical", settings.log_format)
    async with open_runtime(Config(settings, {}), DatabaseRole.READER) as runtime:
        yield runtime
