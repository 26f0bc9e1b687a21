"""What the commands that only read open: the database, and nothing of Stripe or of callers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.config import Config, DatabaseRole, load_settings
from service.runtime import Runtime
from service.server import open_runtime
from service.telemetry import configure_logging


@asynccontextmanager
async def open_reader() -> AsyncIterator[Runtime]:
    """The runtime of operations that only read. It has no tenant's Stripe, whatever is configured.

    Raises:
        ConfigError, DatabaseProblem.
    """
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    async with open_runtime(Config(settings, {}), DatabaseRole.READER) as runtime:
        yield runtime
