"""``escrow refunds`` and ``receivables``, as an operator and as a program read them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.cli.ages import age_of, age_of_text, left_until
from service.cli.refunds import Resolution
from service.cli.reversals import Purpose
from tests.postgres import Database
from tests.service.cli.processes import OPERATOR, Run, escrow_at
from tests.service.cli.test_shapes import check
from tests.service.movements.strangers import charge_of, lift
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.operators.stuck import suspended
from tests.service.operations.refunds.money import (
    assert_done,
    platform,
    read_refund,
    receivables,
    refund,
    stocked,
    transferred,
)
from tests.service.operations.refunds.reversals import freeze_of, reverse
from tests.service.operations.refunds.test_failed_refunds import FAILS, failed, funded_by

NAMES = refund_pb.RefundResolution.items()
WHY = ("--reason", "It was broken.")


@pytest.fixture
def escrow(market: Marketplace, database: Database) -> Run:
    return escrow_at(market, database)


async def told(escrow: Run, *arguments: str) -> dict[str, Any]:
    said = await escrow(*arguments, "--json")
    assert said.status == 0, said.err
    document = json.loads(said.out)
    check(document, " ".join(arguments))
    return dict(document)


async def owing(market: Marketplace) -> tuple[pb.Escrow, refund_pb.Receivable]:
    """80.00, by a payee who has spent it."""
    await stocked(market)
    payee = await market.new_payee()
    deal = await transferred(market, payee=payee)
    await market.pay_out(payee, 8_000)
    await refund(market, deal)
    await market.settle()
    (debt,) = await receivables(market)
    return deal, debt


async def test_what_was_planned_is_refunded(market: Marketplace, escrow: Run) -> None:
    """The payee has the money: the plan says what they give, and what the platform does."""
    await stocked(market)
    payee = await market.new_payee()
    deal = await transferred(market, 4_000, payee=payee)
    place = (deal.reference, "1", "--amount", "1001")

    async with market.unchanged():
        said = await escrow("refunds", "plan", *place)
        planned = (await told(escrow, "refunds", "plan", *place))["plan"]
        same = (await told(escrow, "refunds", "plan", deal.id, deal.milestones[0].id))["plan"]
        hashed = (*place, "--plan-hash", planned["hash"], *WHY)
        dry = await escrow("refunds", "create", *hashed, "--dry-run")
        dry_told = await told(escrow, "refunds", "create", *hashed, "--dry-run")
        other = await escrow("refunds", "create", *place[:2], *hashed[4:], "--json")
        other_dry = await escrow("refunds", "create", *place[:2], *hashed[4:], "--dry-run")
    asked = (await told(escrow, "refunds", "create", *hashed))["refund"]
    await market.settle()

    assert planned["amount"] == {"amount_minor": 1_051, "currency": "USD"}
    (part,) = planned["parts"]
    assert (part["origin"], part["payee_share"]["amount_minor"]) == ("REFUND_ORIGIN_PAYEE", 801)
    assert part["borne_by_platform"]["amount_minor"] == 1_051 - 801
    assert same["amount"]["amount_minor"] == 4_200
    for line in ("amount: 10.51 USD", "from_payees: 8.01 USD", "borne_by_platform: 2.50 USD"):
        assert line in said.out
    assert f"hash: {planned['hash']}\n" in said.out
    assert deal.milestones[0].id in said.out
    assert dry.out.startswith("dry run: nothing is written; it would be\namount: 10.51 USD\n")
    assert (dry_told["dry_run"], dry_told["plan"]) == (True, planned)
    assert json.loads(other.err)["error"]["reason"] == "PLAN_CHANGED"
    assert (other_dry.status, other_dry.out) == (2, "")
    assert other_dry.err.startswith("escrow: What the refund takes from whom has changed")
    assert asked["parts"] == planned["parts"]
    assert (await market.books(deal, payee))[-3:] == [
        (
            "refunded_from_payee",
            {
                "asset:receivable:payee:payee": 801,
                "rev:service_fee": 200,
                "rev:platform_fee": 50,
                "liab:refunds_in_flight": -1_051,
            },
        ),
        ("refund_confirmed", {"liab:refunds_in_flight": 1_051, "asset:stripe": -1_051}),
        (
            "reversal_confirmed",
            {
                "asset:stripe": 801,
                "conn:account:owner": 801,
                "asset:receivable:payee:payee": -801,
                "conn:account:balance": -801,
            },
        ),
    ]
    entry = next(e for e in await market.timeline(deal) if e.operation == "refund_milestone")
    assert (entry.actor, entry.caller) == ("operator", f"cli for {OPERATOR}")
    await assert_done(market)


async def test_where_it_is_taken_from_can_be_said(market: Marketplace, escrow: Run) -> None:
    """30.00 of 100.00 are released and with the payee; without a word, what is held goes first."""
    await stocked(market)
    deal = await market.funded_escrow(payee=await market.new_payee())
    part = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=deal.id,
        milestone_id=deal.milestones[0].id,
        amount_minor=3_000,
    )
    await market.payer.escrows.ReleaseMilestone(part)
    await market.settle()
    release = (await told(escrow, "show", deal.id))["releases"][0]["id"]
    chosen = ("--from", f"{release}=1000", "--from", "held=500")

    usual = (await told(escrow, "refunds", "plan", deal.id, "1", "--amount", "1500"))["plan"]
    plan = (await told(escrow, "refunds", "plan", deal.id, "1", *chosen))["plan"]
    create = ("refunds", "create", deal.id, "1", *chosen, "--plan-hash", plan["hash"], *WHY)
    done = (await told(escrow, *create))["refund"]
    await market.settle()

    def origins(parts: list[dict[str, Any]]) -> list[tuple[str, int]]:
        return [(each["origin"], each["price"]["amount_minor"]) for each in parts]

    assert origins(usual["parts"]) == [("REFUND_ORIGIN_HELD", 1_500)]
    wanted = [("REFUND_ORIGIN_PAYEE", 1_000), ("REFUND_ORIGIN_HELD", 500)]
    assert origins(plan["parts"]) == origins(done["parts"]) == wanted
    shown = (await market.read(deal)).milestones[0]
    assert (shown.held, shown.refunded) == (usd(6_500), usd(1_500))
    await assert_done(market)


async def test_the_same_request_refunds_once(market: Marketplace, escrow: Run) -> None:
    await stocked(market)
    deal = await market.funded_escrow()
    planned = await told(escrow, "refunds", "plan", deal.id, "1", "--amount", "1000")
    key = ("--request-id", "0193a1ce-0000-4000-8000-000000000001")
    create = ("refunds", "create", deal.id, "1", "--amount", "1000", *WHY, *key)
    hashed = (*create, "--plan-hash", planned["plan"]["hash"])

    first, again = await told(escrow, *hashed), await told(escrow, *hashed)
    await market.settle()

    assert first == again
    assert (await market.read(deal)).milestones[0].refunded == usd(1_000)
    await assert_done(market)


async def test_a_failed_refund_is_listed_until_it_is_resolved(
    market: Marketplace, escrow: Run
) -> None:
    assert (await escrow("refunds", "list")).out == "no refunds wait\n"
    deal = await market.deliver(await funded_by(market, FAILS))
    asked = await failed(market, deal)
    resolve = ("refunds", "resolve", asked.id, "put-back", *WHY)

    (listed,) = (await told(escrow, "refunds", "list"))["refunds"]
    said = await escrow("refunds", "list")
    of_escrow = await told(escrow, "refunds", "list", "--escrow", deal.reference)
    of_other = await told(escrow, "refunds", "list", "--payment", f"pay_{'0193' * 8}")
    shown = await told(escrow, "show", asked.id)
    async with market.unchanged():
        dry = await told(escrow, *resolve, "--dry-run")
    done = await told(escrow, *resolve)

    assert (listed["id"], listed["state"]) == (asked.id, "REFUND_STATE_FAILED")
    assert of_escrow["refunds"] == [listed]
    assert of_other["refunds"] == []
    for text in (asked.id, "FAILED", "105.00 USD", "It was broken.", "an operator to say", "age"):
        assert text in said.out
    assert shown["matches"][0]["kind"] == "refund"
    assert [each["id"] for each in shown["refunds"]] == [asked.id]
    (wait,) = [each for each in shown["waits"] if each["subject"] == asked.id]
    assert wait["may"] == {"operator": ["ResolveRefund"]}
    assert shown["money"][0]["refunding_minor"] == 10_500
    assert dry["dry_run"] is True
    assert dry["refund"]["state"] == done["refund"]["state"] == "REFUND_STATE_PUT_BACK"
    assert (await told(escrow, "refunds", "list"))["refunds"] == []
    assert len((await told(escrow, "refunds", "list", "--all"))["refunds"]) == 1
    assert (await market.read(deal)).milestones[0].held == usd(10_000)
    after = await told(escrow, "show", deal.id)
    assert (after["money"][0]["funded_minor"], after["money"][0]["held_minor"]) == (10_500, 10_500)
    assert after["money"][0]["refunding_minor"] == 0
    await assert_done(market)


@pytest.mark.parametrize(
    ("becomes", "state"),
    [("send-again", "REFUND_STATE_REQUESTED"), ("paid-outside", "REFUND_STATE_PAID_OUTSIDE")],
)
async def test_a_failed_refund_is_sent_again_or_was_paid_outside(
    market: Marketplace, escrow: Run, becomes: str, state: str
) -> None:
    asked = await failed(market, await funded_by(market, FAILS))

    done = await told(escrow, "refunds", "resolve", asked.id, becomes, *WHY)

    assert done["refund"]["state"] == state
    await assert_done(market)
    again = await escrow("refunds", "resolve", asked.id, becomes, *WHY, "--json")
    assert json.loads(again.err)["error"]["reason"] == "WRONG_STATE"


def test_every_resolution_of_the_contract_has_its_word() -> None:
    contract = {name.removeprefix("REFUND_RESOLUTION_") for name in dict(NAMES)}
    assert {each.name for each in Resolution} == contract - {"UNSPECIFIED"}


async def test_a_refund_of_the_dashboard_is_adopted(market: Marketplace, escrow: Run) -> None:
    await stocked(market)
    deal = await market.funded_escrow(6_000, 4_000)
    made = await refund_in_dashboard(market, await charge_of(market, deal), 8_400)
    await market.settle()
    frozen = (await told(escrow, "freezes", "list"))["freezes"]
    waits = (await told(escrow, "show", deal.id))["waits"]
    adopt = ("refunds", "adopt", frozen[0]["id"], *WHY)

    async with market.unchanged():
        dry = await told(escrow, *adopt, "--dry-run")
    done = await told(escrow, *adopt)
    again = await escrow(*adopt, "--json")
    found = await told(escrow, "show", made["id"])

    assert [each["source"] for each in frozen] == [made["id"], made["id"]]
    of_freezes = [wait["may"]["operator"] for wait in waits if wait["rule"] == "FREEZE"]
    assert of_freezes == [["AdoptRefund", "LiftFreeze"]] * 2
    assert (dry["dry_run"], dry["refund"]["stripe_refund"]) == (True, made["id"])
    assert done["refund"]["state"] == "REFUND_STATE_SUCCEEDED"
    assert (await told(escrow, "freezes", "list"))["freezes"] == []
    assert json.loads(again.err)["error"]["reason"] == "WRONG_STATE"
    # The refund and both freezes have the name, and one escrow shows all of it.
    assert [each["kind"] for each in found["matches"]] == ["refund", "freeze", "freeze"]
    assert found["escrow"]["id"] == deal.id
    assert [each["stripe_refund"] for each in found["refunds"]] == [made["id"]]
    await assert_done(market)


def test_every_purpose_of_the_contract_has_its_word() -> None:
    contract = {
        name.removeprefix("REVERSAL_PURPOSE_") for name, _ in refund_pb.ReversalPurpose.items()
    }
    assert {each.name for each in Purpose} == contract - {"UNSPECIFIED"}


async def test_a_reversal_of_the_dashboard_is_adopted(market: Marketplace, escrow: Run) -> None:
    await stocked(market)
    deal = await transferred(market)
    made = await reverse(market)
    (frozen,) = (await told(escrow, "freezes", "list"))["freezes"]
    waits = (await told(escrow, "show", deal.id))["waits"]
    adopt = ("reversals", "adopt", frozen["id"], "give-back", *WHY)

    async with market.unchanged():
        dry = await told(escrow, *adopt, "--dry-run")
        people = await escrow(*adopt, "--dry-run")
    done = await told(escrow, *adopt)
    again = await escrow(*adopt, "--json")

    assert frozen["source"] == made["id"]
    assert len(waits) == 2  # the milestone, and what is unexplained
    of_freezes = [wait["may"]["operator"] for wait in waits if wait["rule"] == "FREEZE"]
    assert of_freezes
    assert all("AdoptReversal" in each for each in of_freezes)
    assert (dry["dry_run"], dry["reversal"]["stripe_reversal"]) == (True, made["id"])
    assert "80.00 USD" in people.out
    assert done["reversal"]["taken"] == {"amount_minor": 8_000, "currency": "USD"}
    assert json.loads(again.err)["error"]["reason"] == "WRONG_STATE"
    await assert_done(market)
    (paid,) = (await told(escrow, "show", deal.id))["money"]
    assert (paid["paid_minor"], paid["owed_minor"]) == (8_000, 0)

    made = await reverse(market, 1_000, number=2)
    await lift(market, deal)
    await refund(market, deal)
    await market.settle()
    shown = await told(escrow, "show", deal.id)
    debt = next(w for w in shown["waits"] if w["subject"].startswith("rcv_"))
    assert debt["may"]["operator"] == ["AdoptReversal", "WriteOffReceivable"]
    freeze_id = await freeze_of(market, made)
    await told(escrow, "reversals", "adopt", freeze_id, "for-debt", *WHY)
    await assert_done(market)
    assert (await told(escrow, "show", deal.id))["waits"] == []


async def test_a_payment_in_suspense_is_refunded_in_parts(market: Marketplace, escrow: Run) -> None:
    await stocked(market)
    _, payment = await suspended(market)
    command = ("refunds", "suspense", payment.id, *WHY)
    waits = (await told(escrow, "show", payment.id))["waits"]

    async with market.unchanged():
        dry = await told(escrow, *command, "--dry-run")
    part = await told(escrow, *command, "--amount", "250")
    rest = await told(escrow, *command)

    assert {"operator": ["ApplySuspense", "RefundSuspense"]} in [w["may"] for w in waits]
    assert dry["refund"]["amount"]["amount_minor"] == 5_250
    assert part["refund"]["amount"]["amount_minor"] == 250
    assert rest["refund"]["amount"]["amount_minor"] == 5_000
    assert (await told(escrow, "suspense", "list"))["suspense"] == []
    nothing = await escrow(*command, "--json")
    assert json.loads(nothing.err)["error"]["reason"] == "NOTHING_IN_SUSPENSE"
    assert await platform(market, "liab:refunds_in_flight") == -5_250
    await assert_done(market)


async def test_what_a_payee_owes_is_listed_and_written_off(
    market: Marketplace, escrow: Run
) -> None:
    assert (await escrow("receivables", "list")).out == "no receivables wait\n"
    deal, debt = await owing(market)
    await market.owner.execute("UPDATE receivables SET created_at = created_at - interval '50 h'")

    (listed,) = (await told(escrow, "receivables", "list"))["receivables"]
    said = await escrow("receivables", "list", "--payee", debt.payee_id)
    nobody = await told(escrow, "receivables", "list", "--payee", f"pye_{'0193' * 8}")
    by_escrow = await told(escrow, "show", deal.id)
    by_payee = await told(escrow, "show", debt.payee_id)
    by_itself = await told(escrow, "show", debt.id)
    async with market.unchanged():
        dry = await told(escrow, "receivables", "write-off", debt.id, *WHY, "--dry-run")
    done = await told(escrow, "receivables", "write-off", debt.id, *WHY)

    assert (listed["id"], listed["owed"]["amount_minor"]) == (debt.id, 8_000)
    (row,) = [line.split() for line in said.out.splitlines() if line.startswith(debt.id)]
    assert row[:3] == [debt.id, debt.payee_id, "OWED"]
    assert row[-2:] == ["2", "d"]
    assert nobody["receivables"] == []
    for found in (by_escrow, by_payee):
        assert found["receivables"] == [listed]
        (wait,) = [each for each in found["waits"] if each["subject"] == debt.id]
        assert wait["may"] == {"operator": ["WriteOffReceivable"]}
        assert "balance_insufficient" in wait["waits_for"]
    assert by_escrow["money"][0]["receivable_minor"] == 8_000
    assert by_itself["matches"][0]["kind"] == "receivable"
    assert by_itself["escrow"]["id"] == deal.id
    assert dry["receivable"]["written_off"] == done["receivable"]["written_off"]
    assert done["receivable"]["state"] == "RECEIVABLE_STATE_SETTLED"
    assert (await told(escrow, "receivables", "list"))["receivables"] == []
    assert len((await told(escrow, "receivables", "list", "--all"))["receivables"]) == 1
    assert (await market.books(deal))[-1] == (
        "written_off",
        {"exp:bad_debt": 8_000, "asset:receivable:payee:payee": -8_000},
    )
    await assert_done(market)


@pytest.mark.timeout(300)
async def test_bad_input_is_one_line_and_changes_nothing(market: Marketplace, escrow: Run) -> None:
    deal = await market.funded_escrow()
    planned = await told(escrow, "refunds", "plan", deal.id, "1", "--amount", "1000")
    hashed = ("--plan-hash", planned["plan"]["hash"], *WHY)
    nothing = "0193" * 8
    wrong = {
        ("refunds", "plan", deal.id, "1", "--amount", "0"): "INVALID_ARGUMENT",
        ("refunds", "plan", deal.id, "1", "--amount", "10001"): "FAILED_PRECONDITION",
        ("refunds", "plan", deal.id, "1", "--amount", "1.5"): "INVALID_ARGUMENT",
        ("refunds", "plan", deal.id, "2"): "NOT_FOUND",
        ("refunds", "plan", deal.id, "first"): "INVALID_ARGUMENT",
        ("refunds", "plan", deal.id, f"mst_{nothing}"): "NOT_FOUND",
        ("refunds", "plan", "nobody's", "1"): "NOT_FOUND",
        ("refunds", "plan", deal.id, "1", "--from", "held"): "INVALID_ARGUMENT",
        ("refunds", "plan", deal.id, "1", "--from", f"rel_{nothing}=1"): "NOT_FOUND",
        ("refunds", "plan", deal.id, "1", "--from", "held=1", "--amount", "1"): "INVALID_ARGUMENT",
        ("refunds", "plan", f"esc_{nothing}", "1"): "NOT_FOUND",
        ("refunds", "create", deal.id, "1", "--plan-hash", "", *WHY): "INVALID_ARGUMENT",
        ("refunds", "create", deal.id, "1", *WHY): "INVALID_ARGUMENT",
        ("refunds", "create", deal.id, "1", *hashed[:2]): "INVALID_ARGUMENT",
        ("refunds", "create", deal.id, "1", *hashed): "ABORTED",  # of another amount
        ("refunds", "resolve", f"rfn_{nothing}", "send-again", *WHY): "NOT_FOUND",
        ("refunds", "resolve", f"rfn_{nothing}", "forget", *WHY): "INVALID_ARGUMENT",
        ("refunds", "adopt", f"frz_{nothing}", *WHY): "NOT_FOUND",
        ("refunds", "adopt", "frz_1", *WHY): "INVALID_ARGUMENT",
        ("reversals", "adopt", f"frz_{nothing}", "keep", *WHY): "NOT_FOUND",
        ("reversals", "adopt", f"frz_{nothing}", "steal", *WHY): "INVALID_ARGUMENT",
        ("refunds", "suspense", deal.milestones[0].payment_id, *WHY): "FAILED_PRECONDITION",
        ("refunds", "list", "--escrow", "nobody's"): "NOT_FOUND",
        ("refunds", "list", "--payment", 'pay_1" AND state = "FAILED'): "INVALID_ARGUMENT",
        ("receivables", "list", "--payee", "ben"): "INVALID_ARGUMENT",
        ("receivables", "write-off", f"rcv_{nothing}", *WHY): "NOT_FOUND",
    }
    async with market.unchanged():
        for arguments, status in wrong.items():
            said = await escrow(*arguments, "--json")

            assert (said.status, said.out) == (2, ""), arguments
            assert said.err.count("\n") == 1, (arguments, said.err)
            assert json.loads(said.err)["error"]["status"] == status, (arguments, said.err)


async def test_what_succeeded_is_no_more_than_shown(market: Marketplace, escrow: Run) -> None:
    await stocked(market)
    deal = await market.funded_escrow()
    asked = await refund(market, deal, 1_000)
    under_way = await told(escrow, "show", deal.id)
    await market.settle()
    done = await told(escrow, "show", (await read_refund(market, asked)).stripe_refund)

    (wait,) = [each for each in under_way["waits"] if each["subject"] == asked.id]
    assert (wait["waits_for"], wait["may"]) == ("Stripe to take the refund", {})
    assert [each["state"] for each in done["refunds"]] == ["REFUND_STATE_SUCCEEDED"]
    assert asked.id not in [each["subject"] for each in done["waits"]]


def test_an_age_is_in_the_largest_whole_unit() -> None:
    now = datetime(2026, 11, 28, tzinfo=UTC)
    ages = {
        timedelta(days=400): "400 d",
        timedelta(hours=47): "1 d",
        timedelta(hours=23, minutes=59): "23 h",
        timedelta(minutes=59): "59 min",
        timedelta(seconds=59): "59 s",
        timedelta(0): "0 s",
        timedelta(days=-1): "0 s",
    }
    assert {age: age_of(now - age, now) for age in ages} == ages
    assert left_until(now + timedelta(hours=30), now) == "in 1 d"
    assert left_until(now, now) == "over"
    assert age_of_text("10000-01-01T00:00:00Z") == age_of_text("infinity") == ""
