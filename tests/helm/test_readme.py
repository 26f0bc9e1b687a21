"""The logins that the chart's README makes are enough for every program, and none is too much."""

import re
from contextlib import suppress
from uuid import uuid4

import asyncpg
import pytest

from service.config import DatabaseRole
from service.migrations import load_migrations, up
from service.store.pool import open_pool
from tests.helm.chart import CHART
from tests.postgres import Server, connected

README = (CHART / "README.md").read_text("utf-8")
LOGINS = {
    "escrow_api": DatabaseRole.SERVICE,
    "escrow_jobs": DatabaseRole.WORKER,
    "escrow_reports": DatabaseRole.READER,
}


async def test_the_logins_of_the_readme_work(postgres_server: Server) -> None:
    """As an administrator pastes them, but under names of this test."""
    [block] = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    ours = f"escrow_test_{uuid4().hex}"
    names = {name: f"{ours}_{name}" for name in ("escrow_owner", *LOGINS)}
    for name, unique in names.items():
        block = block.replace(f"ROLE {name} ", f"ROLE {unique} ").replace(
            f"OWNER {name}", f"OWNER {unique}"
        )
    statements = block.replace("DATABASE escrow ", f"DATABASE {ours} ").split(";")
    passwords = dict(re.findall(r"ROLE (\w+) LOGIN\b.*? PASSWORD '(.*?)'", block))
    async with connected(postgres_server.admin_dsn) as admin:
        try:
            for statement in filter(str.strip, statements):
                with suppress(asyncpg.DuplicateObjectError):  # the three of the programs
                    await admin.execute(statement)

            owner = names["escrow_owner"]
            async with connected(postgres_server.dsn(ours, owner, passwords[owner])) as migrating:
                await up(migrating, load_migrations())
            for login, role in LOGINS.items():
                dsn = postgres_server.dsn(ours, names[login], passwords[names[login]])
                pool = await open_pool(dsn, role=role.value, min_size=1, max_size=1)
                assert await pool.fetchval("SELECT count(*) FROM escrows") == 0
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await pool.execute("UPDATE entries SET amount_minor = 0")
                await pool.close()
        finally:
            await admin.execute(f"DROP DATABASE IF EXISTS {ours} WITH (FORCE)")
            for unique in names.values():
                await admin.execute(f"DROP ROLE IF EXISTS {unique}")


def test_the_readme_names_values_that_there_are() -> None:
    values = (CHART / "values.yaml").read_text("utf-8")

    for path in re.findall(r"`((?:database|migrations|verify)(?:\.\w+)+)", README):
        if path != "database.existingSecret":  # of before
            for name in path.split("."):
                assert f"{name}:" in values, path
