"""What the runbook says, done: freezes, refused calls, what cannot be booked, closed books."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from service.cli.commands import app
from service.cli.freezes import Kind
from service.domain.records.freeze import BY_OPERATOR
from tests.postgres import Database
from tests.service.cli.processes import OPERATOR, Run, escrow_at
from tests.service.cli.test_shapes import commands
from tests.service.operations.marketplace import Marketplace

DOCS = Path(__file__).parents[3] / "docs"
# What only the owner of the server sees.
WHY = ("--reason", "the clock was ahead")
OF_THE_SERVER = ("pg_stat_activity",)


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


@pytest.mark.parametrize("page", ["operations.md", "scale.md", "command-line.md"])
def test_the_runbook_has_no_sql_that_a_command_can_do(page: str) -> None:
    text = (DOCS / page).read_text()
    statements = re.findall(r"`((?:SELECT|DELETE|UPDATE|INSERT|BEGIN)\b[^`]*)`", text)

    assert [s for s in statements if not any(name in s for name in OF_THE_SERVER)] == []


@pytest.mark.parametrize("page", ["operations.md", "scale.md", "command-line.md"])
def test_every_command_that_the_documents_name_is_one(page: str) -> None:
    text = (DOCS / page).read_text()
    known = set(commands(get_command(app)))
    groups = {name.partition(" ")[0] for name in known}
    named = re.findall(r"`escrow ([a-z][a-z-]+)(?: ([a-z-]+))?(?: ([a-z-]+))?", text)

    assert named
    for first, *below in named:
        assert first in groups, first
        paths = {" ".join([first, *below[:depth]]) for depth in range(3)}
        assert paths & known, (first, *below)


async def test_a_freeze_is_listed_and_lifted(market: Marketplace, escrow: Run) -> None:
    payee = await market.new_payee()
    deal = await market.delivered_escrow(payee=payee)
    assert (await escrow("freezes", "list")).out == "nothing is frozen\n"
    charge = await market.owner.fetchval("SELECT stripe_charge FROM payments")
    refund = await market.sandbox.stripe("/v1/refunds", charge=charge, amount="4200")
    await market.settle()

    (frozen,) = json.loads((await escrow("freezes", "list", "--json")).out)["freezes"]
    said = await escrow("freezes", "list")
    after = await escrow("freezes", "list", "--page-token", frozen["id"], "--json")
    no_reason = await escrow("freezes", "lift", frozen["id"])
    lifted = await escrow("freezes", "lift", frozen["id"], "--reason", "It was paid again.")
    again = await escrow("freezes", "lift", frozen["id"], "--reason", "It was paid again.")

    assert (frozen["source"], frozen["reason"]) == (refund["id"], "FREEZE_REASON_REFUND")
    assert (frozen["escrow_id"], frozen["milestone_id"]) == (deal.id, deal.milestones[0].id)
    shown = (await market.read(deal)).milestones[0]
    assert frozen["amount"]["currency"] == "USD"
    assert frozen["amount"]["amount_minor"] > 0
    assert refund["id"] in said.out
    assert json.loads(after.out)["freezes"] == []
    assert no_reason.status == 2
    assert lifted.status == 0, lifted.err
    assert shown.frozen.amount_minor == 0
    assert again.status == 2
    assert again.err.count("\n") == 1


async def test_an_operator_freezes_an_amount_and_lifts_it(market: Marketplace, escrow: Run) -> None:
    """The rest moves meanwhile, and the list says who froze it and since when."""
    payee = await market.new_payee()
    deal = await market.funded_escrow(payee=payee)
    why = ("--reason", "The court asked for it.")
    milestone = deal.milestones[0].id

    async with market.unchanged():
        dry = await escrow(
            *("freezes", "place", deal.id, "1", "--kind", "legal", "--amount", "4000", *why),
            "--dry-run",
        )
    placed = await escrow(
        *("freezes", "place", deal.reference, "1", "--kind", "legal", "--amount", "4000", *why)
    )
    whole = await escrow("freezes", "place", deal.id, milestone, "--kind", "risk", *why, "--json")
    async with market.unchanged():
        too_much = await escrow("freezes", "place", deal.id, "1", "--kind", "kyc", *why, "--json")
        unknown = await escrow("freezes", "place", deal.id, "1", "--kind", "refund", *why)
    await market.owner.execute("UPDATE freezes SET created_at = created_at - interval '3 h'")
    said = await escrow("freezes", "list")
    listed = json.loads((await escrow("freezes", "list", "--json")).out)["freezes"]
    held = (await market.read(deal)).milestones[0]
    for each in listed:
        assert (await escrow("freezes", "lift", each["id"], *why)).status == 0

    assert "40.00 USD" in dry.out
    assert placed.status == 0, placed.err
    assert "40.00 USD" in placed.out
    assert "LEGAL" in placed.out
    (frozen,) = json.loads(whole.out)["escrow"]["milestones"]
    assert frozen["frozen"]["amount_minor"] == 10_000
    assert json.loads(too_much.err)["error"]["reason"] == "AMOUNT_FROZEN"
    assert unknown.status == 2
    assert held.frozen.amount_minor == 10_000
    assert [(each["reason"], each["amount"]["amount_minor"]) for each in listed] == [
        ("FREEZE_REASON_LEGAL", 4_000),
        ("FREEZE_REASON_RISK", 6_000),
    ]
    assert {each["fact"] for each in listed} == {f"cli for {OPERATOR}: {why[1]}"}
    (row,) = [line for line in said.out.splitlines() if "LEGAL" in line]
    assert f"cli for {OPERATOR}: {why[1]}" in row
    assert row.split()[-2:] == ["3", "h"]
    await market.accept(await market.deliver(deal))
    await market.settle()
    assert (await market.read(deal)).milestones[0].frozen.amount_minor == 0
    assert await market.balance(f"liab:escrow:{milestone}:held") == 0


async def test_the_part_of_a_payee_who_cannot_be_paid_goes_to_another(
    market: Marketplace, escrow: Run
) -> None:
    ann, bob = await market.new_payee(active=False), await market.new_payee()
    deal = await market.funded_escrow(payee=ann)
    to = ("--from", ann.id, "--to", bob.id, "--reason", "They have closed their shop.")

    async with market.unchanged():
        tried = await escrow("shares", "redirect", deal.reference, "1", *to, "--dry-run")
    given = await escrow("shares", "redirect", deal.reference, "1", *to, "--json")
    refused = await escrow("shares", "redirect", deal.reference, "1", *to)
    shown = await escrow("show", deal.id)

    assert tried.status == 0, tried.err
    assert bob.id in tried.out
    (milestone,) = json.loads(given.out)["escrow"]["milestones"]
    assert [each["payee_id"] for each in milestone["payees"]] == [bob.id]
    assert (refused.status, "Nothing of this milestone waits" in refused.err) == (2, True)
    assert "They have closed their shop." in shown.out
    (row,) = [line for line in shown.out.splitlines() if "100.00 USD" in line and bob.id in line]
    assert row.count("USD") == 5
    await market.accept(await market.deliver(deal))
    await market.settle()
    assert await market.balance(f"conn:{bob.stripe_account}:balance") == 8_000


def test_every_kind_of_an_operators_freeze_has_its_word() -> None:
    assert {each.name for each in Kind} == {each.name for each in BY_OPERATOR}


async def test_what_stripe_refused_is_listed(market: Marketplace, escrow: Run) -> None:
    """And no longer, once it was corrected."""
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(), reference="u-1", name="Zoe", email="zoë@example.com"
    )
    async with market.refuses("STRIPE_REFUSED", writes=True) as refusal:
        await market.service.parties.CreatePayer(request)
    payer_id = refusal.metadata["payer_id"]

    (refused,) = json.loads((await escrow("effects", "list", "--refused", "--json")).out)["effects"]
    found = json.loads((await escrow("show", payer_id, "--json")).out)
    correction = party_pb.UpdatePayerRequest(
        request_id=new_request_id(), payer_id=payer_id, email="zoe@example.com"
    )
    await market.service.parties.UpdatePayer(correction)
    then = await escrow("effects", "list", "--refused")

    assert (refused["subject_id"], refused["state"]) == (payer_id, "EFFECT_STATE_REJECTED")
    assert "email_invalid" in refused["problem"]
    assert [wait["may"] for wait in found["waits"]] == [
        {"service": ["UpdatePayer"], "operator": ["UpdatePayer"]}
    ]
    assert then.out == "no effects wait\n"


async def test_what_cannot_be_booked_says_why(market: Marketplace, escrow: Run) -> None:
    nothing = await escrow("undecided")
    await market.owner.execute(
        """
        INSERT INTO undecided_transactions VALUES
        ('default', '', 'txn_1', 'its transfer is not known yet', now(), now(), NULL),
        ('default', '', 'txn_2', 'it was decided', now(), now(), now())"""
    )

    said = await escrow("undecided")
    told = json.loads((await escrow("undecided", "--json")).out)

    assert nothing.out == "every balance transaction that was read is booked\n"
    assert "its transfer is not known yet" in said.out
    (only,) = told["balance_transactions"]
    assert only["balance_transaction_id"] == "txn_1"
    await market.owner.execute("DELETE FROM undecided_transactions")


async def test_closed_books_are_opened_by_the_login_that_migrates_alone(
    market: Marketplace, database: Database, escrow: Run
) -> None:
    await market.funded_escrow()
    close = """
        INSERT INTO closings VALUES
        ('default', '01a1ece6-abe1-7000-8000-000000000000', '01a1ece6-abe1-7000-8000-000000000000',
            now() + interval '1 hour')
        ON CONFLICT (tenant_id) DO NOTHING"""
    await market.owner.execute(close)
    journals = await market.owner.fetchval("SELECT count(*) FROM journals")
    owner = escrow_at(
        market,
        database,
        STRIPE_SECRET_KEY="sk_test_1",
        ESCROW_DIRECT_DATABASE_URL=database.owner_dsn,
    )

    async with market.unchanged():
        refused = await escrow("closings", "discard", "--yes", *WHY)
        unexplained = await owner("closings", "discard", "--yes")
    listed = json.loads((await escrow("closings", "list", "--json")).out)["closings"]
    done = await owner("closings", "discard", "--yes", "--json", *WHY)

    assert refused.status == 2
    assert refused.err.startswith("escrow: This login may not open closed books")
    assert [each["tenant"] for each in listed] == ["default"]
    assert listed[0]["closed_through"].startswith("20")
    assert unexplained.status == 2
    assert "--reason" in unexplained.err
    told = json.loads(done.out)
    assert told["tenants"] == ["default"]
    kept = await market.owner.fetchrow(
        "SELECT caller, party, note, escrow_id FROM operations WHERE key = $1", told["request_id"]
    )
    assert kept is not None
    assert tuple(kept) == (f"cli:{OPERATOR}", "operator", WHY[1], None)
    found = json.loads((await escrow("show", told["request_id"], "--json")).out)
    assert "discard_closings" in str(found)
    assert await market.owner.fetchval("SELECT count(*) FROM closings") == 0
    assert await market.owner.fetchval("SELECT count(*) FROM journals") == journals
