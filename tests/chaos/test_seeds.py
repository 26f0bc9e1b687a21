"""Two dozen bad days in CI; `make chaos` runs as many as you like, or one again by its number."""

import pytest

from tests.chaos.currencies import TENANT
from tests.chaos.seed import run_seed
from tests.postgres import Server
from tests.world import open_world

SEEDS = range(1, 25)
STEPS = 40


@pytest.mark.timeout(600)  # they share one start of the system, and CI has two cores
async def test_two_dozen_seeds_break_nothing(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("chaos")
    kinds: set[str] = set()
    deeds: set[str] = set()
    converted: set[str] = set()
    together = 0
    async with open_world(postgres_server, template_database, folder, tenant=TENANT) as world:
        for seed in SEEDS:
            report = await run_seed(world, seed, STEPS)
            assert not report.breaches, f"make chaos SEED={seed} STEPS={STEPS}: {report.breaches}"
            kinds.update(report.chaos)
            deeds.update(report.strangers)
            converted.update(report.ends)
            together += report.together
        await world.verify()
    # A chaos that does nothing would break nothing either, nor would strangers who do nothing.
    assert {"cut_after_effect", "drop", "never_generated", "rate_limited"} <= kinds
    assert deeds >= {"refund", "dispute", "reversal", "foreign payment", "impersonation"}
    assert deeds >= {"forged payment_intent.succeeded", "forged transfer.created"}
    assert converted >= {"charge_converted", "fees_converted", "transfer_converted"}
    assert "arrived_converted" in converted
    assert together  # and where no events share a call, nothing is shown about those that do
