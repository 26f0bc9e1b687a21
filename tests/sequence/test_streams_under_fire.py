"""A small run of `make sequence`."""

from pathlib import Path

import pytest

from tests.depth import only_deep
from tests.postgres import Server
from tests.sequence.proof import prove
from tests.service.sandbox_program import running_sandbox


@only_deep
@pytest.mark.timeout(300)
async def test_nothing_is_missed_while_every_process_is_killed(
    postgres_server: Server, template_database: str, tmp_path: Path
) -> None:
    with running_sandbox() as stripe:
        found = await prove(
            *(postgres_server, template_database, stripe, tmp_path),
            positions=1_000,
            kill_every_s=1.0,
            servers=2,
            workers=2,
        )

    assert found.right, found
    assert found.heard == found.positions >= 1_000
    assert found.kills
