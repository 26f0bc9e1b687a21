"""ExplainEscrow: it says where every cent is, why nothing moves, and what each party can do; and
what it says is what happens.
"""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
import typer.main
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import explanation_pb2 as explanation_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.access import access_of
from service.aggregates import blockers
from service.cli.by_command import COMMANDS
from service.cli.commands import app
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.policy_default import DEFAULT_POLICY
from service.domain.states.proposal import ProposalState
from service.operations.explanation.actions import (
    OF_ESCROW,
    OF_MILESTONE,
    OF_TERMS,
    PARTIES,
    tries,
)
from service.operations.explanation.explain_escrow import explain_escrow
from service.operations.explanation.rehearsal import Rehearsal, asks, rehearsal_of, rehearse
from tests.service.events.forgeries import of_type
from tests.service.operations.approvals.waiting import LIMITS, limit
from tests.service.operations.asked import WHY
from tests.service.operations.catalogue import METHODS, ask
from tests.service.operations.explanation.awkward import AWKWARD, asked_to_cancel
from tests.service.operations.marketplace import AN_ID, TENANT, Marketplace, acceptance, usd
from tests.service.operations.refusals import read_refusal

PEOPLE = ("payer", "payee", "operator")


class ToItsEnd(Rehearsal):
    """It needs to know all that an operation would write."""

    def is_limited(self, _: Call) -> bool:
        return True


BOOKED = """
SELECT e.account, e.currency, sum(e.amount_minor), count(DISTINCT j.kind)
FROM entries AS e JOIN journals AS j USING (tenant_id, journal_id)
WHERE j.escrow_id = $1::text::uuid GROUP BY 1, 2"""

# What a person reads: the rule, what it is about, and who can end it.
WAITS = {
    "unpaid": [("PAYMENT", "mst", {"payer": ["FundEscrow"]})],
    "dated": [("DELIVERY", "mst", {"payee": ["SubmitDelivery"]})],
    "being_paid": [
        ("PAYMENT_UNDER_WAY", "pay", {"payer": ["GetPayment", "CancelPayment"]}),
        ("PAYMENT_UNDER_WAY", "pay", {"payer": ["GetPayment", "CancelPayment"]}),
    ],
    "paid_in_part": [
        ("DELIVERY", "mst", {"payee": ["SubmitDelivery"]}),
        ("PAYMENT", "mst", {"payer": ["FundEscrow"]}),
    ],
    "partly_frozen": [
        ("ACCEPTANCE", "mst", {"payer": ["AcceptDelivery", "RequestChanges"]}),
        ("FREEZE", "frz", {"operator": ["LiftFreeze"]}),
    ],
    "disputed": [("FREEZE", "frz", {"operator": ["LiftFreeze"]})],
    "lost": [("FREEZE", "frz", {"operator": ["SettleChargeback", "LiftFreeze"]})],
    "reversed_at_stripe": [("FREEZE", "frz", {"operator": ["AdoptReversal", "LiftFreeze"]})],
    "half_ready": [("PAYEE_NOT_READY", "pye", {"payee": ["CreateOnboardingLink"]})],
    "owing": [("DEBT", "rcv", {"operator": ["WriteOffReceivable"]})],
    "refund_failed": [
        ("REFUND", "mst", {}),
        ("REFUND_FAILED", "rfn", {"operator": ["ResolveRefund"]}),
    ],
    "asked_to_cancel": [
        ("ACCEPTANCE", "mst", {"payer": ["AcceptDelivery", "RequestChanges"]}),
        ("PROPOSAL", "prp", {"payee": ["ApproveCancellation", "DeclineCancellation"]}),
    ],
    "asked_for_time": [
        ("ACCEPTANCE", "mst", {"payer": ["AcceptDelivery", "RequestChanges"]}),
        ("PROPOSAL", "prp", {"payee": ["ExtendDeadline", "DeclineExtension"]}),
    ],
    "asked_to_amend": [
        ("PAYMENT", "mst", {"payer": ["FundEscrow"]}),
        ("PAYMENT", "mst", {"payer": ["FundEscrow"]}),
        ("PROPOSAL", "prp", {"payee": ["AcceptAmendment", "DeclineAmendment"]}),
    ],
    "argued": [
        ("ACCEPTANCE", "mst", {"payer": ["AcceptDelivery", "RequestChanges"]}),
        ("DISPUTE", "dsp", {"payee": ["RespondToDispute"], "payer": ["WithdrawDispute"]}),
    ],
    "negotiated": [
        (
            *("DISPUTE", "dsp"),
            {
                "payee": ["ProposeDisputeSplit", "AcceptDisputeSplit", "RequestMediation"],
                "operator": ["ResolveDispute"],
            },
        ),
    ],
    "waiting_for_a_second_person": [
        ("DELIVERY", "mst", {"payee": ["SubmitDelivery"]}),
        ("APPROVAL", "apr", {"operator": ["Approve", "Reject"]}),
    ],
}
# What is tried of what is allowed, so that each method is done once.
DONE = {
    "unpaid": ("payee", "ProposeAmendment"),
    "dated": ("payer", "RequestExtension"),
    "being_paid": ("payee", "CancelEscrow"),
    "paid_in_part": ("payer", "FundEscrow"),
    "partly_frozen": ("payer", "AcceptDelivery"),
    "disputed": ("operator", "LiftFreeze"),
    "lost": ("operator", "SettleChargeback"),
    "reversed_at_stripe": ("operator", "AdoptReversal"),
    "half_ready": ("operator", "RedirectShare"),
    "owing": ("payee", "RefundMilestone"),
    "refund_failed": ("operator", "ResolveRefund"),
    "asked_to_cancel": ("payee", "ApproveCancellation"),
    "asked_for_time": ("payee", "ExtendDeadline"),
    "asked_to_amend": ("payee", "AcceptAmendment"),
    "argued": ("payee", "RespondToDispute"),
    "negotiated": ("payee", "AcceptDisputeSplit"),
    "waiting_for_a_second_person": ("operator", "PlaceFreeze"),
}


async def explain(
    market: Marketplace,
    escrow: pb.Escrow,
    **more: Any,  # noqa: ANN401  any field
) -> explanation_pb.ExplainEscrowResponse:
    request = explanation_pb.ExplainEscrowRequest(escrow_id=escrow.id, **more)
    return await market.operator.escrows.ExplainEscrow(request)


def client(market: Marketplace, party: str) -> EscrowClient:
    return market.client(party, role="operator" if party == "operator" else "")


def request_of(escrow: pb.Escrow, method: str, subject: str) -> Any:  # noqa: ANN401  a method's
    """As who has read the explanation sends it."""
    request: Any = GetMessageClass(METHODS[method].input_type)()
    fields = {
        "request_id": new_request_id(),
        "escrow_id": escrow.id,
        "reason": WHY,
        "milestone_id": subject,
        "freeze_id": subject,
        "proposal_id": subject,
        "payment_id": subject,
        "refund_id": subject,
        "resolution": refund_pb.REFUND_RESOLUTION_SEND_AGAIN,
        "freeze_reason": pb.FREEZE_REASON_ADMIN,
        "chargeback_id": subject,
        "dispute_id": subject,
        "dispute_reason": dispute_pb.DISPUTE_REASON_OTHER,
        "statement": WHY,
        "answer": dispute_pb.DISPUTE_ANSWER_ACCEPT,
        "offer_number": 1,
        "to_payer_minor": 1_000,
        "purpose": refund_pb.REVERSAL_PURPOSE_GIVE_BACK,
    }
    for name in fields.keys() & request.DESCRIPTOR.fields_by_name.keys():
        setattr(request, name, fields[name])
    if "milestone_ids" in request.DESCRIPTOR.fields_by_name:
        request.milestone_ids.append(subject)
    if method == "RedirectShare":
        (shares,) = [each.payees for each in escrow.milestones if each.id == subject]
        (request.payee_id,) = [each.payee_id for each in shares if each.waiting_for]
        (request.to_payee_id,) = [each.payee_id for each in shares if not each.waiting_for]
    if method in ("ExtendDeadline", "RequestExtension"):
        asked = [each for each in escrow.proposals if each.id == subject]
        request.deadline_id = asked[0].deadline_id if asked else subject
        request.due_time.CopyFrom(asked[0].due_time if asked else later(escrow, subject))
    if method == "ProposeAmendment":
        request.added.add(title="Bonus", amount_minor=escrow.milestones[0].amount.amount_minor)
    return request


def later(escrow: pb.Escrow, subject: str) -> Timestamp:
    """Than a deadline is due."""
    (deadline,) = [each for each in escrow.deadlines if each.id == subject]
    return Timestamp(seconds=deadline.due_time.seconds + 3_600)


def not_listed(
    escrow: pb.Escrow, told: explanation_pb.ExplainEscrowResponse
) -> Iterator[tuple[str, str, str]]:
    """What of a milestone is no question for a party, as the explanation says by its silence."""
    listed = {(each.party, each.method, each.subject) for each in told.actions}
    for party in PEOPLE:
        for of_milestone in OF_MILESTONE:
            for milestone in escrow.milestones:
                tried = party, of_milestone.method, milestone.id
                if tried not in listed:
                    yield tried


@pytest.mark.parametrize("name", AWKWARD)
async def test_it_cannot_lie(market: Marketplace, name: str) -> None:
    escrow = await AWKWARD[name](market)
    async with market.unchanged():
        told = await explain(market, escrow)

    await check_books(market, escrow, told)
    check_waits(name, told)
    async with market.unchanged():
        for action in told.actions:
            if not action.allowed:
                await check_refused(market, escrow, action)
        for party, method, subject in not_listed(escrow, told):
            with pytest.raises(grpc.aio.AioRpcError):
                await ask(client(market, party), method, request_of(escrow, method, subject))
    await check_done(market, escrow, told, *DONE[name])


async def check_books(
    market: Marketplace, escrow: pb.Escrow, told: explanation_pb.ExplainEscrowResponse
) -> None:
    """Every entry is in it, and what came less what went is what is there."""
    booked = {}
    for row in await market.owner.fetch(BOOKED, escrow.id[4:]):
        booked[row[0], row[1]] = abs(int(row[2])), row[3]
    said = {}
    for each in told.accounts:
        moved = sum(m.came.amount_minor - m.went.amount_minor for m in each.movements)
        assert moved == each.balance.amount_minor
        assert each.meaning
        key = each.account, each.balance.currency
        said[key] = abs(each.balance.amount_minor), len(each.movements)
    assert said == booked
    for milestone, shown in zip(told.milestones, escrow.milestones, strict=True):
        assert (milestone.held, milestone.frozen) == (shown.held, shown.frozen)


def check_waits(name: str, told: explanation_pb.ExplainEscrowResponse) -> None:
    read = []
    for each in told.blockers:
        remedies = {remedy.party: list(remedy.methods) for remedy in each.remedies}
        read.append((each.rule, each.subject[:3], remedies))
        assert each.description
    assert [each[:2] for each in read] == [each[:2] for each in WAITS[name]]
    for (_, _, remedies), (_, _, expected) in zip(read, WAITS[name], strict=True):
        assert expected.items() <= remedies.items()
        assert bool(remedies) is bool(expected)


async def check_refused(
    market: Marketplace, escrow: pb.Escrow, action: explanation_pb.Action
) -> None:
    """The real call is refused for the same reason, with the same in its way."""
    request = request_of(escrow, action.method, action.subject)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(client(market, action.party), action.method, request)
    refusal = read_refusal(caught.value)
    assert (refusal.reason, refusal.message) == (action.refusal, action.message)
    assert refusal.blockers == {each.subject: each.description for each in action.blockers}
    assert refusal.rules == {each.subject: each.rule for each in action.blockers}


async def check_done(
    market: Marketplace,
    escrow: pb.Escrow,
    told: explanation_pb.ExplainEscrowResponse,
    party: str,
    method: str,
) -> None:
    action = next(a for a in told.actions if (a.party, a.method) == (party, method))
    assert action.allowed
    request = request_of(escrow, method, action.subject)
    await ask(client(market, party), method, request)
    assert (await market.read(escrow)).etag != told.etag


def test_each_method_that_is_tried_is_done_once() -> None:
    """But for those that the main job does everywhere."""
    done = {method for _, method in DONE.values()}
    everywhere = {"SubmitDelivery", "ReleaseMilestone", "RequestChanges", "RequestCancellation"}
    declined = {"DeclineCancellation", "DeclineExtension", "DeclineAmendment"}
    disputes = {"OpenDispute", "ProposeDisputeSplit", "RequestMediation"}
    disputes |= {"ResolveDispute", "WithdrawDispute"}  # in operations/disputes
    everywhere |= disputes
    assert done | everywhere | declined == {
        each.method for each in (*OF_MILESTONE, *OF_ESCROW, *OF_TERMS)
    }


def test_whoever_is_told_to_end_a_wait_may_call_the_method() -> None:
    """And an operator has a command for it, where the method is an operator's."""
    tables = [clears for _, _, clears in blockers.BY_STATE.values()]
    tables += [clears for _, clears in blockers.UNDER_WAY.values()]
    tables += [clears for _, clears in blockers.FOR_PAYEE.values()]
    tables.append({Party.OPERATOR: [m for each in blockers.ADOPTS.values() for m in each]})
    both = [method for each in blockers.ANSWERS.values() for method in each]
    tables.append({Party.PAYER: both, Party.PAYEE: both, Party.OPERATOR: both})
    assert tables
    for clears in tables:
        for party, methods in clears.items():
            for method in methods:
                assert party in access_of(METHODS[method]).parties, method
    assert COMMANDS.keys() <= METHODS.keys()
    for command in COMMANDS.values():
        found: Any = typer.main.get_command(app)
        for word in command.split():
            found = found.commands[word]
    assert {p for clears in tables for p in clears} <= {Party.PAYER, Party.PAYEE, Party.OPERATOR}


async def test_as_of_a_moment_it_says_what_it_said_then(market: Marketplace) -> None:
    escrow = await asked_to_cancel(market)
    then = await explain(market, escrow)
    await market.payer.escrows.AcceptDelivery(acceptance(escrow))
    await market.settle()
    now = await explain(market, escrow)

    again = await explain(market, escrow, as_of_time=then.as_of_time)

    for name in ("state", "milestones", "accounts", "blockers"):
        assert getattr(again, name) == getattr(then, name), name
        assert getattr(now, name) != getattr(then, name), name
    assert [again.etag, *again.actions, *again.timers, *again.open_calls] == [""]
    stored = await market.owner.fetchval("SELECT state FROM proposals")
    assert stored == ProposalState.LAPSED  # it was open then


@pytest.mark.parametrize(
    ("moment", "says"),
    [
        (datetime(2020, 1, 1, tzinfo=UTC), "before the escrow was created"),
        (datetime(2099, 1, 1, tzinfo=UTC), "in the future"),
    ],
)
async def test_of_other_moments_nothing_is_known(
    market: Marketplace, moment: datetime, says: str
) -> None:
    escrow = await market.new_escrow()
    async with market.refuses("INVALID_FIELD") as refusal:
        await explain(market, escrow, as_of_time=moment)
    assert says in refusal.fields["as_of_time"]


async def test_only_milestones_of_the_escrow_are_tried(market: Marketplace) -> None:
    escrow = await market.new_escrow(*[1_000] * 22)

    first = await explain(market, escrow)
    rest = await explain(market, escrow, milestone_ids=first.milestones_not_tried)

    assert first.milestones_not_tried == [m.id for m in escrow.milestones[20:]]
    of_milestones = {a.subject for a in rest.actions if a.subject.startswith(ids.MILESTONE)}
    assert of_milestones == {m.id for m in escrow.milestones[20:]}
    async with market.refuses("MILESTONE_MISSING"):
        await explain(market, escrow, milestone_ids=[f"mst_{AN_ID}"])


async def test_above_the_limit_it_says_who_has_to_approve_and_operators_what_they_can_do(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow(10_000)
    await limit(market, LIMITS)
    told = await explain(market, escrow)
    held = {(a.party, a.method): a.needs_approval for a in told.actions}
    assert held["payee", "RefundMilestone"]
    assert held["operator", "CancelEscrow"]
    assert not held["payee", "CancelEscrow"]  # it is their right
    assert not held["payer", "ReleaseMilestone"]

    request = explanation_pb.ExplainEscrowRequest(escrow_id=escrow.id)
    told_payer = await client(market, "payer").escrows.ExplainEscrow(request)
    of_parties = [action for action in told.actions if action.party != "operator"]
    assert list(told_payer.actions) == of_parties


async def test_a_party_is_not_told_who_asks_operators_for_what(market: Marketplace) -> None:
    escrow = await AWKWARD["waiting_for_a_second_person"](market)
    request = explanation_pb.ExplainEscrowRequest(escrow_id=escrow.id)
    for party in PEOPLE:
        told = await client(market, party).escrows.ExplainEscrow(request)
        (waits,) = [each.description for each in told.blockers if each.rule == "APPROVAL"]
        assert ("asks for" in waits) is (party == "operator")
        assert ("USD" in waits) is (party == "operator")


async def test_it_leaves_next_to_nothing_to_the_collector(market: Marketplace) -> None:
    """A cycle through what an explanation makes stopped every 200th call for 15 ms."""
    escrow = await market.funded_escrow(10_000)
    request = explanation_pb.ExplainEscrowRequest(escrow_id=escrow.id)
    call = Call(TENANT, "orders", Party.PAYER)
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            await explain_escrow(market.running.runtime, call, request)
        assert gc.collect() < 100  # it was 95 objects of each
    finally:
        gc.enable()


@pytest.mark.parametrize("name", AWKWARD)
async def test_what_is_decided_is_not_refused_later(market: Marketplace, name: str) -> None:
    """A rehearsal ends where an operation says that nothing refuses it any more: one that goes to
    its end comes to the same.
    """
    escrow = await AWKWARD[name](market)
    runtime, call = market.running.runtime, Call(TENANT, "orders", Party.OPERATOR)
    records = await runtime.find_escrow(TENANT, ids.parse(escrow.id))
    assert records is not None
    short = rehearsal_of(runtime, call, records, DEFAULT_POLICY)
    facts = {each.name: getattr(short, each.name) for each in fields(short) if each.init}
    whole = ToItsEnd(**facts)

    said = []
    for party, method, operation, subject, request in tries(
        records, records.milestones, (*PARTIES, Party.OPERATOR), market.work_runtime.clock()
    ):
        ask_as = asks(call, party, ())
        outcomes = [await rehearse(each, operation, request, ask_as) for each in (short, whole)]
        told = [each and (type(each.refusal), str(each.refusal)) for each in outcomes]
        assert told[0] == told[1], (party, method, subject)
        said.append(outcomes[1])
    assert any(each is not None and each.refusal is None for each in said)


async def test_what_it_says_is_of_one_moment(market: Marketplace) -> None:
    """Asked all the time while it is released part by part: held and books agree each time."""
    escrow = await market.delivered_escrow(10_000)

    async def release() -> None:
        for _ in range(20):
            request = pb.ReleaseMilestoneRequest(
                request_id=new_request_id(),
                escrow_id=escrow.id,
                milestone_id=escrow.milestones[0].id,
                amount_minor=100,
            )
            await market.payer.escrows.ReleaseMilestone(request)

    releasing = asyncio.create_task(release())
    answers: list[explanation_pb.ExplainEscrowResponse] = []
    while not releasing.done():
        answers += await asyncio.gather(*(explain(market, escrow) for _ in range(5)))
    await releasing
    seen = set()
    for told in answers:
        (held,) = [a.balance for a in told.accounts if a.account.endswith(":held")]
        assert told.milestones[0].held == held
        seen.add(held.amount_minor)
    assert usd(8_000) == (await market.read(escrow)).milestones[0].held
    assert len(seen) > 1


async def test_where_stripe_decides_it_is_not_asked(market: Marketplace) -> None:
    """What a refund takes is known when Stripe has settled the payment. That a payment is open is
    known here; whether it can still be ended is not.
    """
    escrow = await market.new_escrow(6_000, 4_000, 5_000)
    paid, being_paid, unpaid = escrow.milestones
    await market.pay(await market.fund(escrow, paid))
    await market.fund(escrow, being_paid)
    await market.tell((await of_type(market, "payment_intent.succeeded"))[-1])
    await market.work()
    await market.sandbox.fail_next("/v1/", method="*")  # the first that is asked now would fail

    async with market.unchanged():
        told = await explain(market, escrow)

    with pytest.raises(AssertionError):  # and nothing was asked: it fails only now
        await market.sandbox.objects("/v1/charges")
    assert told.milestones[0].state == "FUNDED"
    of_paid = [each for each in told.actions if each.subject == paid.id]
    asks = {(a.party, a.method): (a.allowed, a.asks_stripe) for a in of_paid}
    assert asks["payee", "RefundMilestone"] == (True, True)
    assert asks["payer", "CancelEscrow"] == (True, True)
    assert asks["payee", "SubmitDelivery"] == (True, False)
    funding = [a for a in told.actions if (a.party, a.method) == ("payer", "FundEscrow")]
    assert [(a.subject, a.allowed, a.asks_stripe, a.refusal) for a in funding] == [
        (being_paid.id, False, False, "PAYMENT_OPEN"),
        (unpaid.id, True, False, ""),
    ]
    canceling = {a.subject: a.asks_stripe for a in told.actions if a.method == "CancelEscrow"}
    assert canceling == {paid.id: True, being_paid.id: True, unpaid.id: False}
