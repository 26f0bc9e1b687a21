"""The first week of somebody who adopts it: ids are lost and found again, a refused payer is
corrected, a transfer hangs, the accountant wants a file. There is the API and the command line, and
not a line of SQL.
"""

import csv
import json
from pathlib import Path
from typing import Any

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import party_service_pb2 as party
from tests.scenarios.deal import Deal, new_escrow
from tests.scenarios.program import run, until
from tests.world import World

REFUSED = "zoë@example.com"  # Stripe takes ASCII only
OFTEN = 1_000  # the look-ups of what became of it fail, too


class CommandLine:
    """``escrow``, with the settings of the service, as whoever is on duty runs it."""

    def __init__(self, world: World) -> None:
        self.environment = world.programs["worker"].environment | {
            "ESCROW_LOG_LEVEL": "error",
            "ESCROW_OPERATOR": "ann",
            "ESCROW_SERVICE_TARGET": world.target,
        }

    async def __call__(self, *arguments: str) -> str:
        status, said = await run(["service", *arguments], self.environment)
        assert status == 0, (arguments, said)
        return said

    async def read(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self(*arguments, "--json"))
        return found


async def test_the_first_week_needs_no_sql(world: World, tmp_path: Path) -> None:
    escrow = CommandLine(world)
    week = new_request_id()  # the references of this marketplace

    # Monday: a payer is refused for a typing error, and nobody noted the id.
    payer = await refused_payer(world, escrow, week)
    payer = await corrected(world, payer)
    payee = await onboarded_payee(world, week)
    escrow_id = (await new_escrow(world, payer, payee, [10_000])).id

    # Tuesday: the order service has lost all of its ids but its own references.
    deal = await found_again(world, escrow, week, escrow_id)

    # Wednesday: support asks why nothing happens.
    waits = (await escrow.read("show", deal.escrow.id))["waits"]
    assert [wait["waits_for"] for wait in waits] == ["the payer to pay"]
    assert "FundEscrow" in waits[0]["may"]["payer"]
    await deal.fund()
    await deal.pay()
    await deal.until_milestone(pb.MILESTONE_STATE_FUNDED)
    await deal.deliver()
    assert "the payer to accept" in await escrow("show", deal.payment.stripe_payment_intent)

    # Thursday: Stripe's answers are lost, and the transfer hangs; it is retried with a reason.
    effect_id = await hanging_transfer(world, deal)
    listed = await escrow.read("effects", "list", "--all")
    assert effect_id in [effect["id"] for effect in listed["effects"]]
    found = await escrow.read("show", deal.milestone_id())
    assert effect_id in [wait["subject"] for wait in found["waits"]]
    assert found["money"][0]["owed_minor"] == 80_00
    await escrow("effects", "retry", effect_id, "--reason", "Stripe is back.")
    await world.start("worker")
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)

    # Friday: the accountant's files, of this escrow's own journals.
    found = await escrow.read("show", escrow_id)
    assert found["waits"] == []
    assert (found["money"][0]["held_minor"], found["money"][0]["paid_minor"]) == (0, 80_00)
    assert "retry_effect" in [entry["operation"] for entry in found["timeline"]]
    await check_files(escrow, escrow_id, tmp_path)
    # And who asks again for what has ended is told so.
    status, said = await run(
        ["service", "effects", "retry", effect_id, "--reason", "To be sure."], escrow.environment
    )
    assert status == 2
    assert said.startswith("escrow: ")
    assert "SUCCEEDED" in said  # from the service, and not that there is none
    assert said.count("\n") == 1


async def refused_payer(world: World, escrow: CommandLine, reference: str) -> party.Payer:
    request = party.CreatePayerRequest(
        request_id=new_request_id(), reference=reference, name="Ann", email=REFUSED
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await world.client.parties.CreatePayer(request)

    refused = (await escrow.read("effects", "list", "--refused"))["effects"]
    found = await escrow.read("show", request.request_id)
    by_reference = await escrow.read("show", reference)

    payer = by_reference["payer"]
    assert found["operation"]["kind"] == "create_payer"
    assert payer["id"] in [effect["subject_id"] for effect in refused]
    (wait,) = by_reference["waits"]
    assert "email_invalid" in wait["waits_for"]
    assert wait["may"]["operator"] == ["UpdatePayer"]
    return party.Payer(id=payer["id"])


async def corrected(world: World, payer: party.Payer) -> party.Payer:
    request = party.UpdatePayerRequest(
        request_id=new_request_id(), payer_id=payer.id, email="ann@example.com"
    )
    return (await world.client.parties.UpdatePayer(request)).payer


async def onboarded_payee(world: World, reference: str) -> party.Payee:
    request = party.CreatePayeeRequest(
        request_id=new_request_id(),
        reference=f"{reference}-payee",
        name="Bob",
        email="bob@example.com",
        country="US",
    )
    payee = (await world.client.parties.CreatePayee(request)).payee
    deal = Deal(world, party.Payer(), payee, pb.Escrow(currency="USD"))
    await deal.onboard()
    return deal.payee


async def found_again(world: World, escrow: CommandLine, week: str, escrow_id: str) -> Deal:
    """From the references alone, by the API and by the command line: the same."""
    payer = (await world.client.parties.GetPayer(party.GetPayerRequest(reference=week))).payer
    payee = (
        await world.client.parties.GetPayee(party.GetPayeeRequest(reference=f"{week}-payee"))
    ).payee
    request = pb.ListEscrowsRequest(filter=f'payer_id = "{payer.id}"')
    (found,) = (await world.client.escrows.ListEscrows(request)).escrows
    assert found.id == escrow_id
    shown = await escrow.read("show", week)
    assert [each["id"] for each in shown["escrows"]] == [escrow_id]
    at_stripe = await escrow.read("show", payee.stripe_account)
    assert at_stripe["payee"]["id"] == payee.id
    return Deal(world, payer, payee, found)


async def hanging_transfer(world: World, deal: Deal) -> str:
    """It is made at Stripe, and nobody hears of it; then the worker is away, too."""
    await world.sandbox.hold()  # its event would tell
    await world.sandbox.arm(kind="cut_after_effect", path_prefix="/v1/transfers", times=OFTEN)
    await deal.accept()
    operators = world.client.acting("operator").operators

    async def unknown() -> str:
        effects = (await operators.ListEffects(op.ListEffectsRequest())).effects
        ours = [effect for effect in effects if effect.escrow_id == deal.escrow.id]
        return next((e.id for e in ours if e.state == op.EFFECT_STATE_UNKNOWN), "")

    effect_id = await until(unknown, "transfer of which nothing is known")
    await world.stop("worker")
    await world.sandbox.control("DELETE", "faults")
    await world.sandbox.release()
    return effect_id


async def check_files(escrow: CommandLine, escrow_id: str, folder: Path) -> None:
    journals, accounts = folder / "journals.csv", folder / "trial-balance.csv"
    await escrow("journals", "--escrow", escrow_id, "--csv", str(journals))
    await escrow("trial-balance", "--by-account", "--csv", str(accounts))

    with journals.open(newline="") as file:
        entries = list(csv.DictReader(file))
    with accounts.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert {entry["kind"] for entry in entries} == {
        *("payment_succeeded", "charge_settled", "released"),
        *("transfer_requested", "transfer_confirmed"),
    }
    moved = [int(e["debit_minor"] or 0) - int(e["credit_minor"] or 0) for e in entries]
    assert sum(moved) == 0
    held = next(entry["account"] for entry in entries if entry["account"].endswith(":held"))
    (line,) = [each for each in lines if each["account"] == held]
    assert (line["debit_minor"], line["credit_minor"], line["closing_minor"]) == (
        *("10000", "10000"),
        "0",
    )
    assert sum(int(each["closing_minor"]) for each in lines) == 0
