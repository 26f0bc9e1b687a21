"""``escrow amendments``: an operator changes what was agreed, and sees both versions first."""

import json
from datetime import timedelta

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.operations.agreements.amending import amended, asked, costs
from tests.service.operations.marketplace import Marketplace, escrow_request

DUE = "2027-01-31T18:00:00Z"


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def test_both_versions_are_shown_before_and_after(market: Marketplace, escrow: Run) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(10_000, 4_000, payer=payer, payee=payee)
    request.milestones[1].due_time.FromDatetime(market.work_runtime.clock() + timedelta(days=1))
    deal = (await market.service.escrows.CreateEscrow(request)).escrow
    line = ["amendments", "create", deal.reference, "--price", "1=8000", "--due", f"2={DUE}"]
    line += ["--add", "A=B=2000", "--reason", "They agreed by telephone."]

    async with market.unchanged():
        dry = await escrow(*line, "--dry-run")
    assert dry.status == 0, dry.err
    said = " ".join(dry.out.split())
    for words in (
        "Part 1 amount 100.00 USD 80.00 USD",
        "Part 1 payee_fee 20.00 USD 16.00 USD",
        "UTC 2027-01-31 18:00:00 UTC",
        "A=B amount 20.00 USD",
        "dry run",
    ):
        assert words in said

    done = json.loads((await escrow(*line, "--json")).out)
    assert done["proposal"]["state"] == "PROPOSAL_STATE_APPROVED"
    assert [costs(m)[0] for m in (await market.read(deal)).milestones] == [8_000, 4_000, 2_000]
    told = await escrow("show", deal.id)
    assert "price 80.00 USD, was 100.00 USD" in " ".join(told.out.split())


async def test_what_a_party_asks_is_shown_and_answered(market: Marketplace, escrow: Run) -> None:
    deal = await market.new_escrow(10_000)
    proposal = await asked(market.payer, deal, amended(deal, price=8_000))

    shown = " ".join((await escrow("show", deal.id)).out.split())
    assert "asked to change" in shown
    assert "Part 1 amount 100.00 USD 80.00 USD" in shown
    listed = json.loads((await escrow("cancellations", "list", "--json")).out)
    assert [each["kind"] for each in listed["proposals"]] == ["PROPOSAL_KIND_AMENDMENT"]
    said = await escrow("amendments", "accept", proposal.id, "--reason", "x")
    assert said.status == 0, said.err

    assert costs((await market.read(deal)).milestones[0])[0] == 8_000
    refused = await escrow("amendments", "decline", proposal.id, "--reason", "x", "--json")
    assert json.loads(refused.err)["error"]["reason"] == "WRONG_STATE"


@pytest.mark.parametrize(
    "option", [("--price", "1"), ("--price", "1=a"), ("--add", "Bonus=1.5"), ("--due", "1=soon")]
)
async def test_what_is_no_change_is_refused(
    market: Marketplace, escrow: Run, option: tuple[str, str]
) -> None:
    deal: pb.Escrow = await market.new_escrow(10_000)

    async with market.unchanged():
        said = await escrow("amendments", "create", deal.id, *option, "--reason", "x", "--json")
    assert said.status == 2
    assert json.loads(said.err)["error"]["status"] == "INVALID_ARGUMENT"
