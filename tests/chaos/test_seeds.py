"""A few bad days in CI; `make chaos` runs as many as you like, or one again by its number."""

import pytest

from tests.chaos.currencies import TENANT
from tests.chaos.seed import run_seed
from tests.depth import deeper
from tests.postgres import Server
from tests.world import open_world

# Those in which most happens. What has not happened in them is likely in the next.
SEEDS = deeper((12, 24, 29, 57), tuple(range(1, 33)))
NEXT = (61, 4, 48, 1, 39, 45)
MORE_SEEDS = tuple(seed for seed in (*NEXT, *range(1, 61)) if seed not in SEEDS)
STEPS = 40
MUST_HAPPEN = {
    *{"cut_after_effect", "drop", "never_generated", "rate_limited"},
    *{"refund", "dispute", "reversal", "foreign payment", "impersonation"},
    *{"forged payment_intent.succeeded", "forged transfer.created"},
    *{"charge_converted", "fees_converted", "transfer_converted", "arrived_converted"},
    *{"refunds SUCCEEDED", "refunds FAILED"},
    *{"refunded from HELD", "refunded from PAYABLE", "refunded from PAYEE"},
    *{"receivables reversed", "freezes placed", "chargebacks settled"},
    *{"escrows expired", "releases after inspection"},
    *deeper(set[str](), {"deadlines extended", "amendments accepted", "approvals APPROVED"}),
    *deeper(set[str](), {"receivables refused", "chargebacks won after all"}),
    *deeper(set[str](), {"refunds adopted", "files of disputes"}),
    *{"events that share a call", "disputes RESOLVED", "disputes DEFAULTED"},
}
"""A chaos that does nothing would break nothing either, nor would strangers who do nothing."""


@pytest.mark.timeout(600)  # they share one start of the system, and CI has two cores
async def test_seeds_break_nothing(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("chaos")
    happened: set[str] = set()
    async with open_world(postgres_server, template_database, folder, tenant=TENANT) as world:
        for seed in (*SEEDS, *MORE_SEEDS):
            # A process that is down takes no forgery: which of the rarer deeds of a seed succeed
            # is up to the machine, so that now and then more seeds are needed to see them all.
            if seed in MORE_SEEDS and happened >= MUST_HAPPEN:
                break
            report = await run_seed(world, seed, STEPS)
            assert not report.breaches, f"make chaos SEED={seed} STEPS={STEPS}: {report.breaches}"
            happened.update(report.chaos, report.strangers, report.ends)
            if report.together:
                happened.add("events that share a call")
        await world.verify()
    assert happened >= MUST_HAPPEN
