"""Milestones that are added: paid, released and shared as any other, a bonus among them."""

from datetime import timedelta

import pytest

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from service.domain.policy import Favorable, Policy
from tests.service.domain.policies import rules
from tests.service.operations.agreements.amending import (
    added,
    agreed,
    amended,
    asked,
    costs,
    yes,
)
from tests.service.operations.agreements.test_amended_dates import dated_escrow
from tests.service.operations.deadlines.test_act_on_deadline import kinds, states
from tests.service.operations.escrows.split import in_order, plain_books, request_of, share
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.policies.policies import apply, once

DAY = timedelta(days=1)
OPEN, APPROVED = pb.PROPOSAL_STATE_OPEN, pb.PROPOSAL_STATE_APPROVED
Change = agreement_pb.AmendedMilestone | agreement_pb.AddedMilestone


async def release(market: Marketplace, escrow: pb.Escrow, number: int) -> None:
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[number - 1].id,
    )
    await market.payer.escrows.ReleaseMilestone(request)
    await market.settle()


@pytest.mark.parametrize("asker", ["payer", "payee", "operator"])
async def test_a_milestone_is_added_paid_and_released(market: Marketplace, asker: str) -> None:
    payee = await market.new_payee()
    escrow = await market.funded_escrow(10_000, payee=payee)

    proposal = await asked(market.client(asker), escrow, added(5_000))
    if asker != "operator":
        answers = market.payee if asker == "payer" else market.payer
        await answers.agreements.AcceptAmendment(yes(proposal, escrow))

    longer = await market.read(escrow)
    assert [(m.title, *costs(m)) for m in longer.milestones] == [
        ("Part 1", 10_000, 500, 2_000),
        ("Bonus", 5_000, 250, 1_000),
    ]
    assert longer.milestones[1].id == proposal.changes[0].milestone_id
    assert not proposal.changes[0].HasField("before")
    assert (states(longer), longer.state) == (["FUNDED", "AWAITING_FUNDS"], pb.ESCROW_STATE_ACTIVE)
    assert kinds(longer) == ["HOLD_LIMIT"]  # while the other is at work
    payment = await market.fund(longer)
    assert payment.amount == usd(5_250)
    await market.pay(payment)
    await market.settle()
    await release(market, longer, 2)

    booked = dict((await market.books(longer, payee))[2:])
    assert booked["payment_succeeded"] == {
        "asset:stripe_unsettled": 5_250,
        "liab:escrow:m2:held": -5_000,
        "liab:escrow:m2:fee_held": -250,
    }
    assert booked["released"] == {
        "liab:escrow:m2:held": 5_000,
        "liab:escrow:m2:fee_held": 250,
        "liab:payee:payee:payable": -4_000,
        "rev:service_fee": -1_000,
        "rev:platform_fee": -250,
    }
    assert states(await market.read(escrow)) == ["FUNDED", "RELEASED"]


async def test_what_awaits_funds_again_runs_against_time_again(market: Marketplace) -> None:
    """Everything was released, and is on its way."""
    escrow = await market.delivered_escrow(10_000)
    released = await market.accept(escrow)
    assert (states(released), kinds(released)) == (["RELEASING"], ["HOLD_LIMIT"])

    longer = await agreed(market, escrow, added(5_000))

    assert kinds(longer) == ["HOLD_LIMIT", "PAYMENT"]
    assert (longer.state, states(longer)) == (
        pb.ESCROW_STATE_ACTIVE,
        ["RELEASING", "AWAITING_FUNDS"],
    )


async def test_an_escrow_has_fifty_milestones_and_no_more(market: Marketplace) -> None:
    escrow = await market.new_escrow(*[1_000] * 45)
    await agreed(market, escrow, *[added(1_000, f"Bonus {n}") for n in range(5)])

    async with market.refuses("AMENDMENT_BLOCKED") as refusal:
        await asked(market.payer, escrow, added(1_000))
    assert refusal.blockers.keys() == {escrow.id}
    assert [m.title for m in (await market.read(escrow)).milestones][44:] == [
        *("Part 45", "Bonus 0", "Bonus 1", "Bonus 2", "Bonus 3", "Bonus 4")
    ]


# --- what the payer only gives


@pytest.mark.parametrize("favorable", Favorable)
async def test_what_a_payer_only_gives_is_done_as_the_policy_says(
    market: Marketplace, favorable: Favorable
) -> None:
    await apply(market, Policy({"USD": rules()}, favorable_amendment=favorable))
    escrow = await dated_escrow(market, funded=False)
    later = escrow.milestones[0].due_time.ToDatetime(market.work_runtime.clock().tzinfo) + DAY

    proposal = await asked(
        market.payer, escrow, amended(escrow, price=12_000, due=later), added(5_000)
    )

    gives = favorable is Favorable.APPROVED
    assert proposal.state == (APPROVED if gives else OPEN)
    shown = await market.read(escrow)
    assert [costs(m)[0] for m in shown.milestones] == ([12_000, 5_000] if gives else [10_000])
    assert ("ANSWER" in kinds(shown)) is not gives


@pytest.mark.parametrize(
    "takes", ["less money", "less time", "a date", "more work by a date", "of the payee"]
)
async def test_what_takes_something_of_the_other_is_asked(market: Marketplace, takes: str) -> None:
    await apply(market, Policy({"USD": rules()}, favorable_amendment=Favorable.APPROVED))
    escrow = await dated_escrow(market, funded=False)
    undated = await market.new_escrow(10_000)
    soon = market.work_runtime.clock() + DAY
    asks: dict[str, tuple[pb.Escrow, list[Change]]] = {
        "less money": (escrow, [added(5_000), amended(escrow, price=9_999)]),
        "less time": (escrow, [added(5_000), amended(escrow, due=soon)]),
        "a date": (undated, [amended(undated, price=12_000, due=soon)]),
        "more work by a date": (escrow, [added(5_000, due=soon)]),
        "of the payee": (escrow, [added(5_000)]),
    }
    of, changes = asks[takes]

    client = market.payee if takes == "of the payee" else market.payer
    assert (await asked(client, of, *changes)).state == OPEN


# --- several payees


async def test_shares_are_shares_of_the_new_price(market: Marketplace) -> None:
    ann, bob, eve = [await market.new_payee() for _ in range(3)]
    shares = [share(ann, basis=3_333), share(bob, basis=3_333), share(eve)]
    request = await request_of(market, shares, 10_000)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow

    proposal = await asked(market.payee, escrow, amended(escrow, price=10_001))
    (change,) = proposal.changes
    assert [p.amount.amount_minor for p in change.before.payees] == [3_333, 3_333, 3_334]
    assert [p.amount.amount_minor for p in change.after.payees] == [3_333, 3_333, 3_335]
    assert sum(p.payee_fee.amount_minor for p in change.after.payees) == 2_000
    escrow = (await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))).escrow
    assert [p.amount.amount_minor for p in escrow.milestones[0].payees] == [3_333, 3_333, 3_335]
    await market.pay(await market.fund(escrow))
    await market.settle()
    await release(market, escrow, 1)

    booked = in_order((await plain_books(market, escrow, ann, bob, eve))[2:])
    released = [entries for kind, entries in booked if kind == "released"]
    assert [entries["liab:escrow:m1:held"] for entries in released] == [3_333, 3_333, 3_335]
    assert sum(entries["rev:service_fee"] for entries in released) == -2_000
    assert states(await market.read(escrow)) == ["RELEASED"]


async def test_amounts_of_the_old_price_say_nothing_of_another(market: Marketplace) -> None:
    ann, bob = [await market.new_payee(active=False) for _ in range(2)]
    request = await request_of(market, [share(ann, of=4_000), share(bob, of=6_000)], 10_000)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow

    async with market.refuses("INVALID_FIELD") as refusal:
        await asked(market.payee, escrow, amended(escrow, price=12_000))
    assert "cancel it" in refusal.fields["milestones[0].amount_minor"]


async def test_a_share_that_comes_to_nothing_is_refused(market: Marketplace) -> None:
    ann, bob = [await market.new_payee(active=False) for _ in range(2)]
    request = await request_of(market, [share(ann, basis=1), share(bob)], 100_000)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow

    async with market.refuses("INVALID_FIELD") as refusal:
        await asked(market.payee, escrow, amended(escrow, price=1_000))
    assert refusal.fields == {
        "milestones[0].amount_minor": "a payee's part comes to nothing of this price"
    }


async def test_what_is_added_can_be_of_payees_who_are_new_here(market: Marketplace) -> None:
    ann, bob, eve = [await market.new_payee() for _ in range(3)]
    escrow = await market.funded_escrow(10_000, payee=ann)
    parts = [share(bob, basis=2_500), share(eve, of=1_000), share(ann)]
    proposal = await asked(market.payee, escrow, added(5_001, payees=parts))

    longer = (await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))).escrow

    assert [p.amount.amount_minor for p in longer.milestones[1].payees] == [1_250, 1_000, 2_751]
    await market.pay(await market.fund(longer))
    await market.settle()
    await release(market, longer, 2)
    booked = in_order((await plain_books(market, longer, ann, bob, eve))[2:])
    released = [entries for kind, entries in booked if kind == "released"]
    assert [entries["liab:escrow:m2:held"] for entries in released] == [2_751, 1_250, 1_000]
    assert states(await market.read(escrow)) == ["FUNDED", "RELEASED"]


# --- what is fixed per payment


async def test_a_fixed_part_is_taken_once_of_each_payment(market: Marketplace) -> None:
    """0.30 of the payer and 1.00 of the payee, with the first milestone of a payment."""
    await apply(market, Policy({"USD": once()}))
    escrow = await market.new_escrow(10_000, 4_000)
    assert [costs(m)[1:] for m in escrow.milestones] == [(330, 1_100), (120, 400)]

    both = await agreed(
        market,
        escrow,
        amended(escrow, 1, price=8_000),
        amended(escrow, 2, price=2_000),
        added(1_000),
    )
    assert [costs(m)[1:] for m in both.milestones] == [(270, 900), (60, 200), (30, 100)]
    payment = await market.fund(both, both.milestones[0])
    assert payment.amount == usd(8_270)
    await market.pay(payment)
    await market.settle()

    one = await agreed(market, escrow, amended(both, 2, price=3_000))
    assert costs(one.milestones[1])[1:] == (90, 300)
    payment = await market.fund(one)  # the second and the third, together
    assert payment.amount == usd(3_000 + 90 + 30 + 1_000 + 30)
    await market.pay(payment)
    await market.settle()
    alone = await agreed(market, escrow, added(2_000))  # nothing else awaits funds
    assert costs(alone.milestones[3])[1:] == (90, 300)
    assert (await market.fund(alone)).amount == usd(2_090)
