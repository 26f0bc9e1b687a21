"""Amendments: prices from both sides and by an operator, what they cost from then on, and every bad
request.
"""

from datetime import datetime, timedelta

import pytest

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.agreements.amending import (
    added,
    agreed,
    amended,
    amendment,
    asked,
    costs,
    no,
    yes,
)
from tests.service.operations.agreements.asking import WHY, deadline_of, moment
from tests.service.operations.deadlines.test_act_on_deadline import kinds, states
from tests.service.operations.marketplace import AN_ID, Marketplace, escrow_request, usd
from tests.service.operations.payments.test_fail_late import SUSPENSE, refused_debit

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
ANSWER = pb.DEADLINE_KIND_ANSWER
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


async def test_a_payment_that_was_ended_leaves_the_price_to_the_parties(
    market: Marketplace,
) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payee, escrow, amended(escrow, price=12_000))
    payment = await market.fund(escrow)
    stop = pb.CancelPaymentRequest(request_id=new_request_id(), payment_id=payment.id)
    await market.payer.escrows.CancelPayment(stop)
    await market.settle()

    answer = await market.payer.agreements.AcceptAmendment(yes(proposal, escrow))

    assert answer.escrow.milestones[0].payment_id == ""
    assert (await market.fund(escrow)).amount == usd(12_600)


async def test_late_money_of_the_old_price_funds_nothing(market: Marketplace) -> None:
    """The bank had refused the debit; after the price has changed it turns out to be paid."""
    escrow, payment = await refused_debit(market)
    await market.settle()
    failed = await market.read_payment(payment)
    await agreed(market, escrow, amended(escrow, price=12_000))

    intent = f"/v1/payment_intents/{failed.stripe_payment_intent}/confirm"
    await market.sandbox.stripe(intent, payment_method="pm_card_visa")
    await market.settle()

    assert (await market.read_payment(payment)).state == pb.PAYMENT_STATE_SUCCEEDED
    assert states(await market.read(escrow)) == ["AWAITING_FUNDS"]
    assert await market.owner.fetchval(SUSPENSE) == -10_500
    await market.pay(await market.fund(escrow))
    await market.settle()
    assert (await market.read(escrow)).milestones[0].held.amount_minor == 12_000


async def test_line_items_keep_their_price(market: Marketplace) -> None:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(10_000, payer=payer, payee=payee)
    request.milestones[0].line_items.add(name="Pen", quantity=2, unit_amount_minor=5_000)
    escrow = (await market.service.escrows.CreateEscrow(request)).escrow

    async with market.refuses("AMENDMENT_BLOCKED") as refusal:
        await asked(market.payer, escrow, amended(escrow, price=8_000))
    assert "its line items" in refusal.blockers[escrow.milestones[0].id]
    due = market.work_runtime.clock() + DAY
    dated = await agreed(market, escrow, amended(escrow, due=due))  # of a date they say nothing
    assert moment(dated.milestones[0].due_time) == due


@pytest.mark.parametrize(
    ("currency", "old", "new", "costs_then"),
    [
        ("JPY", 10_000, 8_001, (8_001, 400, 1_600)),
        ("KWD", 100_000, 80_000, (80_000, 4_000, 16_000)),
    ],
)
async def test_each_currency_has_its_own_steps(
    market: Marketplace, currency: str, old: int, new: int, costs_then: tuple[int, int, int]
) -> None:
    escrow = await market.new_escrow(old, currency=currency)

    changed = await agreed(market, escrow, amended(escrow, price=new))

    assert costs(changed.milestones[0]) == costs_then
    payment = await market.fund(escrow)
    assert (payment.amount.amount_minor, payment.amount.currency) == (
        costs_then[0] + costs_then[1],
        currency,
    )
    if currency == "KWD":
        async with market.refuses("AMOUNT_NOT_MULTIPLE") as refusal:
            await asked(market.payer, escrow, amended(escrow, price=80_001))
        assert refusal.fields.keys() == {"milestones[0].amount_minor"}


# --- what is wrong with the request


async def test_what_is_no_amendment_is_refused(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000, 4_000)
    past = market.work_runtime.clock() - SECOND
    first = amended(escrow, price=8_000)
    wrong: dict[str, list[agreement_pb.AmendedMilestone | agreement_pb.AddedMilestone]] = {
        "milestones": [],
        "milestones[0]": [amended(escrow)],
        "milestones[0].due_time": [amended(escrow, due=past)],
        "milestones[1].milestone_id": [first, amended(escrow, price=9_000)],
        "added[0].due_time": [added(5_000, due=past)],
        "added[0].payees": [
            added(5_000, payees=[pb.PayeeShare(payee_id=escrow.payee_id, basis_points=5_000)])
        ],
    }
    for field, changes in wrong.items():
        async with market.refuses("INVALID_FIELD") as refusal:
            await asked(market.payer, escrow, *changes)
        assert refusal.fields.keys() == {field}
    async with market.refuses("INVALID_FIELD") as refusal:
        await asked(market.payer, escrow, amended(escrow, price=10_000))
    assert refusal.fields == {"milestones[0]": "is so already"}
    for price in (1, 2_000_000):
        async with market.refuses("AMOUNT_BEYOND_LIMITS"):
            await asked(market.payer, escrow, amended(escrow, price=price))
        async with market.refuses("AMOUNT_BEYOND_LIMITS"):
            await asked(market.payer, escrow, added(price))
    nobody = pb.PayeeShare(payee_id=f"pye_{AN_ID}")
    async with market.refuses("PAYEE_MISSING"):
        await asked(market.payer, escrow, added(5_000, payees=[nobody]))
    other = await market.new_escrow(1_000)
    async with market.refuses("MILESTONE_MISSING"):
        await asked(market.payer, escrow, amended(other, price=8_000))


async def test_one_amendment_is_asked_at_a_time(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payer, escrow, amended(escrow, price=8_000))
    until = moment(deadline_of(await market.read(escrow), ANSWER).due_time)

    for client in (market.payer, market.payee, market.operator):
        async with market.refuses("PROPOSAL_OPEN") as refusal:
            await asked(client, escrow, added(1_000))
        assert refusal.metadata["proposal_id"] == proposal.id
        assert datetime.fromisoformat(refusal.metadata["ends_at"]) == until
        assert refusal.message == (
            f"Another amendment is asked for already: {proposal.id}, by the payer, is open until"
            f" {until:%Y-%m-%d %H:%M:%S} UTC."
            " Agree to it, decline or withdraw it first (AcceptAmendment, DeclineAmendment)."
        )

    declined = await market.payee.agreements.DeclineAmendment(no(proposal, escrow))
    assert declined.proposal.state == pb.PROPOSAL_STATE_DECLINED
    assert costs(declined.escrow.milestones[0]) == (10_000, 500, 2_000)
    again = await asked(market.payer, escrow, amended(escrow, price=9_000))
    taken_back = await market.payer.agreements.DeclineAmendment(no(again, escrow))
    assert taken_back.proposal.state == pb.PROPOSAL_STATE_WITHDRAWN
    async with market.refuses("WRONG_STATE"):
        await market.payee.agreements.AcceptAmendment(yes(again, escrow))


async def test_a_dry_run_says_what_it_would_cost_and_writes_nothing(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    request = amendment(escrow, amended(escrow, price=8_000), added(5_000), validate_only=True)

    async with market.unchanged():
        answer = await market.payer.agreements.ProposeAmendment(request)
    assert [costs(each.after) for each in answer.proposal.changes] == [
        (8_000, 400, 1_600),
        (5_000, 250, 1_000),
    ]
    assert answer.proposal.amended_quote.payer_total == usd(13_650)

    proposal = await asked(market.payer, escrow, amended(escrow, price=8_000), added(5_000))
    acceptance = yes(proposal, escrow)
    acceptance.validate_only = True
    async with market.unchanged():
        accepted = await market.payee.agreements.AcceptAmendment(acceptance)
    assert accepted.escrow.quote.payer_total == usd(13_650)


async def test_who_saw_another_state_agrees_to_nothing(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    proposal = await asked(market.payer, escrow, amended(escrow, price=8_000))
    acceptance = yes(proposal, escrow)
    acceptance.etag = escrow.etag

    async with market.refuses("STALE_ETAG"):
        await market.payee.agreements.AcceptAmendment(acceptance)


async def test_operators_amend_when_the_parties_have_asked_for_all(market: Marketplace) -> None:
    escrow = await market.new_escrow(10_000)
    for _ in range(50):
        proposal = await asked(market.payer, escrow, amended(escrow, price=8_000))
        await market.payer.agreements.DeclineAmendment(no(proposal, escrow))

    async with market.refuses("PROPOSALS_EXHAUSTED"):
        await asked(market.payer, escrow, amended(escrow, price=8_000))
    done = await asked(market.operator, escrow, amended(escrow, price=8_000))
    assert done.state == APPROVED
