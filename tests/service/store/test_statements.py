"""Every statement in the store fits the migrated schema; the hot ones never scan a table."""

import asyncpg
import pytest

from service.store import commit, effects, escrows, operations, parties, stripe_events
from service.store.pool import open_pool
from tests.postgres import Database

MODULES = (commit, effects, escrows, operations, parties, stripe_events)
STARTS = ("SELECT", "INSERT", "UPDATE", "WITH")


def _statements() -> dict[str, str]:
    found = {f"commit.{number}": text for number, text in enumerate(commit.every_statement())}
    for module in MODULES:
        for name, value in vars(module).items():
            if not name.isupper() or name.startswith("_"):
                continue
            values = value.items() if isinstance(value, dict) else [("", value)]
            for key, text in values:
                if isinstance(text, str) and text.startswith(STARTS):
                    found[f"{module.__name__}.{name}.{key}"] = text.format(conditions="")
    return found


@pytest.mark.parametrize("name", sorted(_statements()))
async def test_prepares(database: Database, name: str) -> None:
    pool = await open_pool(database.service_dsn, role="", min_size=1, max_size=1)
    try:
        async with pool.acquire() as connection:
            await connection.prepare(_statements()[name])
    except asyncpg.PostgresError as error:
        pytest.fail(f"{name}: {error}\n{_statements()[name]}")
    finally:
        await pool.close()
