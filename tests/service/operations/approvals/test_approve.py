"""Approve: what is above a limit is done once, by two people, as it was planned, or not at all."""

import asyncio

import grpc
import pytest

from escrow.client import EscrowClient, new_request_id, reason_of
from escrow.v1 import approval_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from escrow.v1.options_pb2 import APPROVAL_KIND_REFUNDS, APPROVAL_KIND_WRITE_OFFS
from service.domain.policy import ApprovalLimits
from service.operations.approvals.approve import HELD
from service.rpc.edge import methods_of
from service.rpc.services import SERVICES
from tests.service.operations.approvals.waiting import (
    approval_of,
    approver,
    ask_above,
    asker,
    held_refund,
    limit,
    read_approval,
    rejection_of,
)
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import (
    platform,
    receivables,
    refund,
    refund_request,
    stocked,
    transferred,
)

REFUNDED = "SELECT count(*) FROM journals WHERE kind = 'refunded_from_held'"
IN_FLIGHT = "liab:refunds_in_flight"


async def refunded(market: Marketplace) -> int:
    return int(await market.owner.fetchval(REFUNDED))


def test_every_method_under_a_limit_can_be_approved() -> None:
    under = {
        method.name.rpartition("/")[2]
        for method in methods_of(SERVICES).values()
        if method.access.approvals
    }
    named = {"".join(part.capitalize() for part in operation.split("_")) for operation in HELD}

    assert named == under


async def test_what_is_above_the_limit_waits_and_is_done_when_approved(market: Marketplace) -> None:
    await limit(market)
    escrow = await market.funded_escrow()
    request = refund_request(escrow, 60_00)
    books = await market.books(escrow)

    approval = await ask_above(market, request)

    assert await market.books(escrow) == books
    assert (approval.kind, approval.method) == (APPROVAL_KIND_REFUNDS, "RefundMilestone")
    assert (approval.requested_by, approval.reason) == ("shop", "It was broken.")
    assert approval.amount == usd(63_00)
    assert approval.escrow_id == escrow.id
    assert any("refunded_from_held: debit" in line for line in approval.plan)
    assert any("Stripe is asked to create_refund" in line for line in approval.plan)

    done = await approver(market).approvals.Approve(approval_of(approval))

    assert done.approval.state == pb.APPROVAL_STATE_APPROVED
    assert done.approval.decided_by == "kim@example.com"
    assert (await market.books(escrow))[-1] == (
        "refunded_from_held",
        {
            "liab:escrow:m1:held": 60_00,
            "liab:escrow:m1:fee_held": 3_00,
            "liab:refunds_in_flight": -63_00,
        },
    )
    told = await asker(market).refunds.RefundMilestone(request)
    assert told.refund.amount == usd(63_00)
    (last,) = (await market.timeline(escrow))[-1:]
    assert last.caller == "shop"
    assert f"approved by kim@example.com ({approval.id})" in last.note


async def test_up_to_the_limit_nothing_waits(market: Marketplace) -> None:
    await limit(market, ApprovalLimits(refunds_minor=63_00))
    escrow = await market.funded_escrow()

    await asker(market).refunds.RefundMilestone(refund_request(escrow, 60_00))

    assert await platform(market, IN_FLIGHT) == -63_00
    await ask_above(market, refund_request(await market.funded_escrow(), 60_01))


async def test_asked_again_it_is_the_same_approval(market: Marketplace) -> None:
    await limit(market)
    escrow = await market.funded_escrow()
    request = refund_request(escrow, 60_00)
    first = await ask_above(market, request)

    async with market.unchanged():
        again = await ask_above(market, request)

    assert again == first
    changed = refund_request(escrow, 61_00)
    changed.request_id = request.request_id
    async with market.refuses("REQUEST_ID_REUSED"):
        await asker(market).refunds.RefundMilestone(changed)


async def test_who_asked_does_not_approve(market: Marketplace) -> None:
    approval, _ = await held_refund(market)

    async with market.refuses("APPROVER_IS_REQUESTER"):
        await approver(market, "SHOP").approvals.Approve(approval_of(approval))

    assert await platform(market, IN_FLIGHT) == 0


def person(market: Marketplace, caller: str, name: str) -> EscrowClient:
    keys = {"escrow-tenant": market.tenant, "escrow-caller": caller, "escrow-person": name}
    keys |= {"escrow-party": "operator", "escrow-role": "operator"}
    return EscrowClient(market.channel, keys, 20.0)


@pytest.mark.parametrize(
    ("caller", "name"),
    [("laptop", "jo"), ("desk", "Jo"), ("jo", "kim"), ("desk", "kim")],
)
async def test_a_person_is_one_by_whichever_program(
    market: Marketplace, caller: str, name: str
) -> None:
    """And an identity that is shared does not become two people by what it says."""
    escrow = await market.funded_escrow()
    await limit(market)
    async with market.refuses("APPROVAL_NEEDED", writes=True) as refusal:
        await person(market, "desk", "jo").refunds.RefundMilestone(refund_request(escrow, 60_00))
    named = pb.GetApprovalRequest(approval_id=refusal.metadata["approval_id"])
    approval = (await approver(market).approvals.GetApproval(named)).approval
    assert approval.requested_by == "desk for jo"

    async with market.refuses("APPROVER_IS_REQUESTER"):
        await person(market, caller, name).approvals.Approve(approval_of(approval))
    await person(market, "laptop", "kim").approvals.Approve(approval_of(approval))


async def test_twice_and_after_a_rejection_it_is_refused(market: Marketplace) -> None:
    approval, request = await held_refund(market)
    decision = approval_of(approval)
    first = await approver(market).approvals.Approve(decision)

    async with market.unchanged():
        assert await approver(market).approvals.Approve(decision) == first
    async with market.refuses("WRONG_STATE"):
        await approver(market).approvals.Approve(approval_of(approval))
    async with market.refuses("WRONG_STATE"):
        await approver(market).approvals.Reject(rejection_of(approval))
    assert await refunded(market) == 1

    other, request = await held_refund(market)
    await approver(market).approvals.Reject(rejection_of(other))
    async with market.refuses("WRONG_STATE"):
        await approver(market).approvals.Approve(approval_of(other))
    await limit(market, ApprovalLimits(refunds_minor=0))
    async with market.refuses("APPROVAL_REJECTED") as refusal:
        await asker(market).refunds.RefundMilestone(request)
    assert refusal.metadata == {"approval_id": other.id}  # a payee is not told what operators say
    assert await refunded(market) == 1


@pytest.mark.parametrize("why", ["It is whole.", "\N{POUTING FACE}" * 500])
async def test_an_operator_who_asked_is_told_who_rejected_it_and_why(
    market: Marketplace, why: str
) -> None:
    await limit(market)
    escrow = await market.funded_escrow()
    operator, request = market.client("operator", role="operator"), refund_request(escrow, 60_00)
    async with market.refuses("APPROVAL_NEEDED", writes=True) as needed:
        await operator.refunds.RefundMilestone(request)
    rejection = rejection_of(pb.Approval(id=needed.metadata["approval_id"]))
    rejection.reason = why
    await approver(market).approvals.Reject(rejection)

    async with market.refuses("APPROVAL_REJECTED") as refusal:
        await operator.refunds.RefundMilestone(request)

    told = {"rejected_by": "kim@example.com", "decision_reason": why}
    assert refusal.metadata == {"approval_id": rejection.approval_id, **told}
    assert refusal.message.startswith(f"kim@example.com has rejected it: '{why[:150]}")
    assert refusal.message.endswith("To ask again, send a new request_id.")


async def test_after_its_time_it_is_refused(market: Marketplace) -> None:
    await limit(market, hours=1)
    request = refund_request(await market.funded_escrow(), 60_00)
    approval = await ask_above(market, request)
    assert approval.expire_time.seconds - approval.create_time.seconds == 3_600
    await market.owner.execute("UPDATE approvals SET expires_at = now() - interval '1 second'")

    async with market.refuses("APPROVAL_EXPIRED"):
        await approver(market).approvals.Approve(approval_of(approval))
    async with market.refuses("APPROVAL_EXPIRED"):
        await asker(market).refunds.RefundMilestone(request)
    shown = await read_approval(market, approval)
    assert shown.state == pb.APPROVAL_STATE_EXPIRED
    assert await refunded(market) == 0


async def test_a_plan_that_has_changed_is_planned_anew(market: Marketplace) -> None:
    """All that is left was 100.00; then a part was released, and it comes from the payee."""
    await stocked(market)
    escrow = await market.funded_escrow()
    approval, _ = await held_refund(market, escrow, None)
    async with market.refuses("APPROVAL_PLAN_CHANGED"):
        await approver(market).approvals.Approve(approval_of(approval, plan_hash="0" * 32))
    await refund(market, escrow, 40_00)
    books = await market.books(escrow)

    async with market.refuses("APPROVAL_PLAN_CHANGED", writes=True) as refusal:
        await approver(market).approvals.Approve(approval_of(approval))

    assert await market.books(escrow) == books
    anew = await read_approval(market, approval)
    assert refusal.metadata["plan_hash"] == anew.plan_hash != approval.plan_hash
    assert (anew.state, anew.amount) == (pb.APPROVAL_STATE_WAITING, usd(63_00))
    async with market.refuses("APPROVAL_PLAN_CHANGED"):
        await approver(market).approvals.Approve(approval_of(approval))
    await approver(market).approvals.Approve(approval_of(anew))
    assert await platform(market, IN_FLIGHT) == -105_00


async def test_what_its_state_allows_no_more_is_refused(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    approval, _ = await held_refund(market, escrow, 60_00)
    await refund(market, escrow, 80_00)

    async with market.refuses("REFUND_ABOVE_LEFT") as refusal:
        await approver(market).approvals.Approve(approval_of(approval))

    assert refusal.message.endswith(f"If it is not to be done any more, reject {approval.id}.")
    rejected = await approver(market).approvals.Reject(rejection_of(approval))
    assert rejected.approval.state == pb.APPROVAL_STATE_REJECTED


async def test_a_hundred_approve_at_once_and_it_is_done_once(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    approval, request = await held_refund(market, escrow, 60_00)

    async def decide(number: int) -> str:
        client = approver(market, f"approver-{number % 5}").approvals
        try:
            if number % 10 == 9:
                await asker(market).refunds.RefundMilestone(request)
            else:
                await client.Approve(approval_of(approval))
        except grpc.aio.AioRpcError as error:
            return reason_of(error)
        return "approved"

    await limit(market)
    heard = await asyncio.gather(*map(decide, range(100)))

    assert set(heard) <= {"approved", "WRONG_STATE", "APPROVAL_NEEDED"}
    assert sum(told == "approved" for n, told in enumerate(heard) if n % 10 != 9) == 1
    assert await refunded(market) == 1
    assert await platform(market, IN_FLIGHT) == -63_00


async def test_one_approves_while_another_rejects(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    approval, _ = await held_refund(market, escrow, 60_00)

    heard = await asyncio.gather(
        approver(market, "kim").approvals.Approve(approval_of(approval)),
        approver(market, "lee").approvals.Reject(rejection_of(approval)),
        return_exceptions=True,
    )

    assert sum(isinstance(told, grpc.aio.AioRpcError) for told in heard) == 1
    state = (await read_approval(market, approval)).state
    assert await refunded(market) == (state == pb.APPROVAL_STATE_APPROVED)


async def test_a_write_off_waits_as_well(market: Marketplace) -> None:
    await stocked(market)
    payee = await market.new_payee()
    escrow = await transferred(market, payee=payee)
    await market.pay_out(payee, 8_000)
    await refund(market, escrow)
    await market.settle()
    (debt,) = await receivables(market, "state = OWED")
    await limit(market)
    request = refund_pb.WriteOffReceivableRequest(
        request_id=new_request_id(), receivable_id=debt.id, reason="They are gone."
    )
    operator = market.client("operator", role="operator")

    async with market.refuses("APPROVAL_NEEDED", writes=True) as refusal:
        await operator.refunds.WriteOffReceivable(request)
    assert await platform(market, "exp:bad_debt") == 0
    (waiting,) = (await operator.approvals.ListApprovals(pb.ListApprovalsRequest())).approvals
    assert (waiting.id, waiting.kind) == (refusal.metadata["approval_id"], APPROVAL_KIND_WRITE_OFFS)
    await approver(market).approvals.Approve(approval_of(waiting))

    assert await platform(market, "exp:bad_debt") == debt.owed.amount_minor == 80_00
    written = await operator.refunds.WriteOffReceivable(request)
    assert written.receivable.written_off == usd(80_00)


async def test_an_operator_who_cancels_waits_and_the_parties_do_not(market: Marketplace) -> None:
    await limit(market)
    escrow = await market.funded_escrow()
    request = escrow_pb.CancelEscrowRequest(
        request_id=new_request_id(), escrow_id=escrow.id, reason="They asked us to."
    )
    operator = market.client("operator", role="operator")

    async with market.refuses("APPROVAL_NEEDED", writes=True) as refusal:
        await operator.escrows.CancelEscrow(request)
    assert await platform(market, IN_FLIGHT) == 0
    waiting = await read_approval(market, pb.Approval(id=refusal.metadata["approval_id"]))
    assert (waiting.amount, waiting.method) == (usd(105_00), "CancelEscrow")
    await approver(market).approvals.Approve(approval_of(waiting))
    assert await platform(market, IN_FLIGHT) == -105_00

    other = await market.funded_escrow()
    by_payee = escrow_pb.CancelEscrowRequest(request_id=new_request_id(), escrow_id=other.id)
    await asker(market).escrows.CancelEscrow(by_payee)
    assert await platform(market, IN_FLIGHT) == -105_00  # Stripe has the first by now
    assert await refunded(market) == 2


async def test_what_goes_to_another_payee_waits_though_nothing_is_booked(
    market: Marketplace,
) -> None:
    ann, bob = await market.new_payee(active=False), await market.new_payee()
    escrow = await market.funded_escrow(payee=ann)
    await limit(market)
    request = escrow_pb.RedirectShareRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        payee_id=ann.id,
        to_payee_id=bob.id,
        reason="They have closed their shop.",
    )
    operator = market.client("operator", role="operator")

    async with market.refuses("APPROVAL_NEEDED", writes=True) as refusal:
        await operator.escrows.RedirectShare(request)
    assert refusal.metadata["amount_minor"] == "10000"
    assert list((await market.read(escrow)).milestones[0].payees) == []
    waiting = await read_approval(market, pb.Approval(id=refusal.metadata["approval_id"]))
    assert f"{escrow.milestones[0].id}, part 2: 100.00 USD for {bob.id}" in waiting.plan
    await approver(market).approvals.Approve(approval_of(waiting))

    (payee,) = (await market.read(escrow)).milestones[0].payees
    assert (payee.payee_id, payee.held) == (bob.id, usd(10_000))
