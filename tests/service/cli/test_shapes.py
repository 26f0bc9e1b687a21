"""``--json`` has one shape, whatever the command: a program that reads one can read all."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer.main

from escrow.client import new_request_id
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.cli.commands import app
from tests.postgres import Database
from tests.service.cli.processes import Run, escrow_at
from tests.service.operations.agreements.amending import amended
from tests.service.operations.agreements.amending import asked as asked_to_amend
from tests.service.operations.agreements.asking import extension, payer_asks
from tests.service.operations.approvals.waiting import held_refund
from tests.service.operations.chargebacks.disputes import disputed_escrow, lost_escrow, preview
from tests.service.operations.disputes.disputing import contested, named, offer
from tests.service.operations.marketplace import API_KEY, Marketplace
from tests.service.operations.operators.stuck import event_set_aside, shadowed, suspended

# Each with what stands for an id in it, and the lists that its answer has.
TABLE: dict[str, tuple[str, ...]] = {
    "show {escrow}": ("matches", "payments", "releases", "money", "accounts", "waits", "timeline"),
    "show {payee}": ("matches", "balances", "waits", "effects", "escrows", "payouts"),
    "show {effect}": ("attempts",),
    "show {event}": ("events",),
    "show {request}": ("matches",),
    "explain {escrow}": ("milestones", "accounts", "blockers", "timers", "actions"),
    "journals": ("journals", "unreadable"),
    "log": ("events",),
    "log {escrow} --type create_escrow": ("events",),
    "balances": ("balances",),
    "trial-balance": ("accounts", "totals"),
    "verify": ("checks",),
    "effects list": ("effects", "unreadable"),
    "effects list --all": ("effects",),
    "effects list --refused": ("effects",),
    "effects show {effect}": ("attempts",),
    "effects retry {effect} --reason x": (),
    "events list": ("events", "unreadable"),
    "events show {event}": (),
    "events dismiss {event} --reason x": (),
    "events retry {event} --reason x": (),
    "suspense list": ("suspense", "unreadable"),
    "suspense apply {payment} {milestone} --reason x --dry-run": (),
    "freezes list": ("freezes", "unreadable"),
    "deadlines list": ("deadlines", "unreadable"),
    "deadlines extend {deadline} --until 2027-01-01T00:00:00Z --reason x": (),
    "deadlines decline {extension} --reason x": (),
    "cancellations list": ("proposals", "unreadable"),
    "cancellations approve {cancellation} --reason x --dry-run": (),
    "cancellations decline {cancellation} --reason x": (),
    "cancellations create {unpaid} --milestone 1 --reason x": (),
    "amendments create {agreed} --price 1=8000 --add Bonus=2000 --reason x --dry-run": (),
    "amendments accept {amendment} --reason x --dry-run": (),
    "amendments decline {amendment} --reason x": (),
    "freezes lift {freeze} --reason x": (),
    "shares redirect {escrow} 1 --from {payee} --to {other} --reason x": (),
    "freezes place {funded} 1 --amount 100 --kind legal --reason x": (),
    "refunds list": ("refunds", "unreadable"),
    "refunds list --all": ("refunds",),
    "refunds plan {funded} 1": (),
    "refunds create {funded} 1 --amount 1000 --plan-hash {plan} --reason x": (),
    "refunds adopt {freeze} --reason x --dry-run": (),
    "refunds suspense {payment} --reason x --dry-run": (),
    "receivables list --all": ("receivables", "unreadable"),
    "chargebacks list": ("chargebacks", "unreadable"),
    "chargebacks show {chargeback}": (),
    "chargebacks evidence preview {chargeback}": ("blockers",),
    "chargebacks evidence submit {chargeback} --hash {evidence} --reason x --dry-run": (),
    "chargebacks evidence stage {chargeback} --file receipt={receipt} --reason x": (),
    "chargebacks evidence list {chargeback}": ("evidence", "unreadable"),
    "disputes list": ("disputes", "unreadable"),
    "disputes show {dispute}": (),
    "disputes evidence add {dispute} --note x --file {receipt} --reason x": (),
    "disputes evidence list {dispute}": ("evidence", "unreadable"),
    "disputes evidence get {dispute} {given}": (),
    "disputes resolve {dispute} --to-payer 1000 --reason x --dry-run": (),
    "payees exposure {payee}": ("exposures", "chargeback_ids"),
    "chargebacks settle {lost} --reason x --dry-run": (),
    "approvals list --all": ("approvals", "unreadable"),
    "approvals show {held}": ("plan",),
    "approvals approve {held} --plan-hash {held_plan} --reason x": ("plan",),
    "approvals reject {withdrawn} --reason x": ("plan",),
    "show {refund}": ("refunds", "receivables", "waits"),
    "undecided": ("balance_transactions",),
    "closings list": ("closings",),
    "migrate status": ("migrations",),
    "migrate up": ("applied",),
    "migrate distribute": ("calls",),
    "version": (),
    "check-stripe-key": ("permissions",),
    "sweep": ("accounts",),  # after the effects, which it may end
}
# Those of policies have tests of their own, with the files that they need. The others
# run for as long as somebody wants, need a checkout, or change what other tests stand on.
ELSEWHERE = {
    *("up", "demo", "serve", "work", "chaos", "docs", "migrate dump", "migrate down"),
    "watch",  # test_log.py
    *("closings discard", "effects reject", "effects settle"),
    *("refunds resolve", "reversals adopt", "receivables write-off"),
    *("policy show", "policy lint", "policy diff", "policy apply"),
}

NAME = re.compile(r"[a-z][a-z0-9_.-]*")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# Their keys are data: names of a caller, parties, currencies, ids.
OF_DATA = ("metadata", "may", "waiting", "differences", "undecided")


def commands(group: Any, before: str = "") -> Iterator[str]:  # noqa: ANN401  typer's own
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_is_in_the_table() -> None:
    every = set(commands(typer.main.get_command(app)))
    listed = {
        command for command in every for line in TABLE if f"{line} ".startswith(f"{command} ")
    }

    assert listed | ELSEWHERE >= every
    assert not listed & ELSEWHERE


def check(value: Any, where: str = "") -> None:  # noqa: ANN401  JSON
    """Names as in the contract, whole numbers for amounts, times in UTC."""
    if isinstance(value, list):
        for each in value:
            check(each, where)
    if not isinstance(value, dict):
        return
    for name, each in value.items():
        place = f"{where}.{name}"
        assert NAME.fullmatch(name), place
        assert not name.endswith("_at"), place  # "_time", as in the contract
        if name.endswith("_minor"):
            assert isinstance(each, int), place
        if name.endswith("_time") or name == "time":
            assert each is None or TIME.fullmatch(each), (place, each)
        if name.endswith("_id"):
            assert isinstance(each, str), (place, each)
        if name not in OF_DATA:
            check(each, place)


@pytest.fixture
async def ids(market: Marketplace, tmp_path: Path) -> dict[str, str]:
    """Something of everything that the table names."""
    receipt = tmp_path / "receipt"
    receipt.write_bytes(b"%PDF-1.7 ...")
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(), reference="u-1", name="Ann", email="ann@example.com"
    )
    await market.service.parties.CreatePayer(request)
    frozen = await market.delivered_escrow()
    charge = await market.owner.fetchval("SELECT stripe_charge FROM payments")
    await market.sandbox.stripe("/v1/refunds", charge=charge)
    await market.settle()
    funded = await market.funded_escrow()
    milestone = funded.milestones[0].id
    operator = market.client("operator", role="operator")
    asked = refund_pb.RefundMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=funded.id,
        milestone_id=milestone,
        amount_minor=500,
        reason="x",
    )
    refund = (await operator.refunds.RefundMilestone(asked)).refund
    part = refund_pb.PlanRefundRequest(
        escrow_id=funded.id, milestone_id=milestone, amount_minor=1_000
    )
    plan = (await operator.refunds.PlanRefund(part)).plan
    _, event = await event_set_aside(market)
    deal, payment = await suspended(market)
    unpaid = await market.new_escrow()
    asked_to = extension(unpaid, pb.DEADLINE_KIND_PAYMENT, timedelta(days=1))
    longer = await market.payer.agreements.RequestExtension(asked_to)
    agreed = await market.new_escrow()
    amends = await market.new_escrow()
    amendment = await asked_to_amend(market.payer, amends, amended(amends, price=8_000))
    held, _ = await held_refund(market)
    withdrawn, _ = await held_refund(market)
    disputed, lost = await disputed_escrow(market), await lost_escrow(market)
    delivered = await market.delivered_escrow()
    share = dispute_pb.DisputeShare(payee_id=delivered.payee_id, amount_minor=6_000)
    argued = await offer(market.payee, await contested(market, delivered), 4_000, [share])
    note = dispute_pb.AddDisputeEvidenceRequest(**named(argued), note="It is broken.")
    given = (await market.payer.disputes.AddDisputeEvidence(note)).evidence
    effect, _, _ = await shadowed(market)  # last: the inbox would end it
    oldest = "SELECT freeze_id FROM freezes ORDER BY created_at LIMIT 1"
    freeze = await market.owner.fetchval(oldest)
    return {
        "dispute": argued.id,
        "given": given.id,
        "request": request.request_id,
        "escrow": frozen.id,
        "payee": frozen.payee_id,
        "other": funded.payee_id,
        "freeze": f"frz_{freeze.hex}",
        "effect": effect.id,
        "chargeback": disputed.id,
        "receipt": str(receipt),
        "evidence": (await preview(market, disputed)).evidence.hash,
        "lost": lost.id,
        "event": event["id"],
        "payment": payment.id,
        "funded": funded.id,
        "plan": plan.hash,
        "refund": refund.id,
        "held": held.id,
        "held_plan": held.plan_hash,
        "withdrawn": withdrawn.id,
        "milestone": deal.milestones[1].id,
        "unpaid": unpaid.id,
        "deadline": (await market.new_escrow()).deadlines[0].id,
        "extension": longer.proposal.id,
        "agreed": agreed.id,
        "amendment": amendment.id,
        "cancellation": (await payer_asks(market, funded)).id,
    }


@pytest.mark.timeout(400)  # each is a process of its own
async def test_every_answer_has_the_one_shape(
    market: Marketplace, database: Database, ids: dict[str, str]
) -> None:
    escrow: Run = escrow_at(
        market,
        database,
        STRIPE_SECRET_KEY=API_KEY,
        STRIPE_API_BASE=market.sandbox.url,
        ESCROW_DIRECT_DATABASE_URL=database.owner_dsn,
    )
    for line, lists in TABLE.items():
        said = await escrow(*line.format_map(ids).split(), "--json")

        assert said.status in (0, 1), (line, said.err)
        assert said.out.count("\n") == 1, line
        document = json.loads(said.out)
        assert isinstance(document, dict), line
        for name in lists:
            assert isinstance(document[name], list), (line, name)
        check(document, line)


@pytest.mark.timeout(300)
async def test_every_refusal_has_the_one_shape(market: Marketplace, database: Database) -> None:
    """What is not there, what is malformed, and what is not an option: one line of one object."""
    escrow: Run = escrow_at(market, database)
    nothing = "0193" * 8
    wrong = {
        f"show esc_{nothing}": "NOT_FOUND",
        f"effects show eff_{nothing}": "NOT_FOUND",
        f"effects retry eff_{nothing} --reason x": "NOT_FOUND",
        "events retry evt_none --reason x": "NOT_FOUND",
        f"freezes lift frz_{nothing} --reason x": "NOT_FOUND",
        "freezes lift frz_1 --reason x": "INVALID_ARGUMENT",
        "effects show eff_1": "INVALID_ARGUMENT",
        "effects list --page-token x": "INVALID_ARGUMENT",
        f"effects retry eff_{nothing} --reason x --tenant nobody": "UNAUTHENTICATED",
        "effects list --kind create_transfer": "INVALID_ARGUMENT",
        "balances nonsense": "INVALID_ARGUMENT",
        "trial-balance --from x": "INVALID_ARGUMENT",
        "closings discard --yes --reason x": "PERMISSION_DENIED",
        "migrate up": "FAILED_PRECONDITION",  # by the login of the service
    }
    async with market.unchanged():
        for line, status in wrong.items():
            said = await escrow(*line.split(), "--json")

            assert (said.status, said.out) == (2, ""), line
            assert said.err.count("\n") == 1, (line, said.err)
            error = json.loads(said.err)["error"]
            assert error.keys() == {"message", "status", "reason", "metadata", "violations"}
            assert error["status"] == status, line
            assert re.fullmatch(r"[A-Z_]+", error["reason"]), line
