"""Amendments: each change from both sides and by an operator, and what it costs from then on."""

from datetime import timedelta

import pytest

from escrow.client import EscrowClient
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.agreements.amending import (
    agreed,
    amended,
    amendment,
    asked,
    costs,
    yes,
)
from tests.service.operations.agreements.asking import WHY, deadline_of, moment
from tests.service.operations.deadlines.test_act_on_deadline import kinds, states
from tests.service.operations.marketplace import Marketplace, usd

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ANSWER, DELIVERY = pb.DEADLINE_KIND_ANSWER, pb.DEADLINE_KIND_DELIVERY
OPEN, APPROVED = pb.PROPOSAL_STATE_OPEN, pb.PROPOSAL_STATE_APPROVED
PARTIES = ["payer", "payee"]


def sides(market: Marketplace, asker: str) -> tuple[EscrowClient, EscrowClient]:
    """Who asks, and who answers."""
    both = market.payer, market.payee
    return both if asker == "payer" else (both[1], both[0])


# --- prices


@pytest.mark.parametrize("asker", PARTIES)
async def test_a_price_changes_when_both_agree(market: Marketplace, asker: str) -> None:
    escrow = await market.new_escrow(10_000, 4_000)
    asks, answers = sides(market, asker)

    answer = await asks.agreements.ProposeAmendment(amendment(escrow, amended(escrow, price=8_000)))

    proposal = answer.proposal
    assert (proposal.kind, proposal.state) == (pb.PROPOSAL_KIND_AMENDMENT, OPEN)
    (change,) = proposal.changes
    assert (change.milestone_id, change.title) == (escrow.milestones[0].id, "Part 1")
    assert costs(change.before) == (10_000, 500, 2_000)
    assert costs(change.after) == (8_000, 400, 1_600)
    assert proposal.amended_quote.payer_total == usd(8_400 + 4_200)
    assert costs(answer.escrow.milestones[0]) == (10_000, 500, 2_000)  # until it is agreed to
    assert list((await market.read(escrow)).proposals) == [proposal]
    until = deadline_of(answer.escrow, ANSWER)
    assert until.proposal_id == proposal.id
    assert moment(until.due_time) == moment(proposal.create_time) + 5 * DAY
    async with market.refuses("PARTY_NOT_ALLOWED"):
        await asks.agreements.AcceptAmendment(yes(proposal, escrow))

    accepted = await answers.agreements.AcceptAmendment(yes(proposal, escrow))

    assert accepted.proposal.state == APPROVED
    assert costs(accepted.escrow.milestones[0]) == (8_000, 400, 1_600)
    assert costs(accepted.escrow.milestones[1]) == (4_000, 200, 800)
    assert accepted.escrow.quote == proposal.amended_quote
    assert (kinds(accepted.escrow), list(accepted.escrow.proposals)) == (["PAYMENT"], [])
    async with market.refuses("WRONG_STATE"):
        await answers.agreements.AcceptAmendment(yes(proposal, escrow))


async def test_a_new_price_is_paid_held_and_released(market: Marketplace) -> None:
    payee = await market.new_payee()
    escrow = await market.new_escrow(10_000, payee=payee)
    escrow = await agreed(market, escrow, amended(escrow, price=12_000))

    payment = await market.fund(escrow)
    assert payment.amount == usd(12_600)
    await market.pay(payment)
    await market.settle()
    await market.deliver(escrow)
    await market.accept(escrow)
    await market.settle()

    booked = dict(await market.books(escrow, payee))
    assert booked["payment_succeeded"] == {
        "asset:stripe_unsettled": 12_600,
        "liab:escrow:m1:held": -12_000,
        "liab:escrow:m1:fee_held": -600,
    }
    assert booked["released"] == {
        "liab:escrow:m1:held": 12_000,
        "liab:escrow:m1:fee_held": 600,
        "liab:payee:payee:payable": -9_600,
        "rev:service_fee": -2_400,
        "rev:platform_fee": -600,
    }
    assert states(await market.read(escrow)) == ["RELEASED"]


async def test_an_operator_amends_alone_with_a_reason(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    request = amendment(escrow, amended(escrow, price=8_000))
    request.reason = ""
    async with market.refuses("INVALID_FIELD"):
        await market.operator.agreements.ProposeAmendment(request)

    request.reason = WHY
    answer = await market.operator.agreements.ProposeAmendment(request)

    assert (answer.proposal.state, answer.proposal.proposed_by) == (APPROVED, "operator")
    assert costs(answer.escrow.milestones[0]) == (8_000, 400, 1_600)
    assert (kinds(answer.escrow), list(answer.escrow.proposals)) == (["PAYMENT"], [])


async def test_an_operator_answers_in_place_of_a_party(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payer, escrow, amended(escrow, price=8_000))

    answer = await market.operator.agreements.AcceptAmendment(yes(proposal, escrow))

    assert costs(answer.escrow.milestones[0]) == (8_000, 400, 1_600)
    assert (await market.timeline(escrow))[-1].note.endswith(WHY)


async def test_what_is_paid_for_keeps_its_price(market: Marketplace) -> None:
    escrow = await market.funded_escrow(10_000)

    for client in (market.payer, market.payee, market.operator):
        async with market.refuses("AMENDMENT_BLOCKED") as refusal:
            await asked(client, escrow, amended(escrow, price=8_000))
        assert "it is FUNDED" in refusal.blockers[escrow.milestones[0].id]


async def test_what_is_being_paid_keeps_its_price(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payee, escrow, amended(escrow, price=12_000))
    payment = await market.fund(escrow)

    async with market.refuses("AMENDMENT_BLOCKED") as refusal:
        await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))
    assert payment.id in refusal.blockers[escrow.milestones[0].id]

    await market.pay(payment)
    await market.settle()
    assert list((await market.read(escrow)).proposals) == []  # lapsed: the old price was paid
    async with market.refuses("WRONG_STATE"):
        await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))
    lapsed = {(t.subject, t.to) for e in await market.timeline(escrow) for t in e.transitions}
    assert (proposal.id, "LAPSED") in lapsed
    assert costs((await market.read(escrow)).milestones[0]) == (10_000, 500, 2_000)
