"""``escrow explain``, for people."""

import pytest

from escrow.v1 import explanation_pb2 as pb
from escrow.v1.money_pb2 import Money
from service.cli.explain import print_explanation

TOLD = pb.ExplainEscrowResponse(
    escrow_id="esc_1",
    state="ACTIVE",
    milestones=[
        pb.MilestoneStanding(
            milestone_id=f"mst_{number}",
            title="Part",
            state="FUNDED",
            amount=Money(amount_minor=100_00, currency="USD"),
        )
        for number in (1, 2)
    ],
    open_calls=[pb.OpenCall(effect_id="eff_1", kind="create_transfer", state="UNKNOWN")],
    timers=[pb.Timer(deadline_id="ddl_1", subject="prp_1", then="what was asked lapses")],
)


def test_everything_has_the_id_that_the_next_command_asks_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_explanation(TOLD)

    told = capsys.readouterr().out
    assert [
        each for each in ("mst_1", "mst_2", "eff_1", "ddl_1", "prp_1") if each not in told
    ] == []
    (line,) = (line for line in told.splitlines() if line.startswith("mst_2 "))
    assert line.split() == ["mst_2", "Part", "FUNDED", "100.00", "USD"]
