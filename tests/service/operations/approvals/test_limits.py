"""The limits above which a second person decides: nobody gets past one by asking in parts, and what
an operator lets go to payees is under one as well.
"""

import asyncio
import json
from collections.abc import Awaitable

import grpc
import pytest
from google.protobuf.message import Message

from escrow.client import EscrowClient, new_request_id, reason_of
from escrow.v1 import approval_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from escrow.v1.options_pb2 import APPROVAL_KIND_RELEASES
from service.access import access_of
from service.domain.policy import ApprovalLimits
from service.rpc.services import SERVICES
from tests.service.movements.strangers import charge_of
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.operations.approvals.waiting import (
    approval_of,
    approver,
    ask_above,
    asker,
    limit,
    read_approval,
    rejection_of,
)
from tests.service.operations.deadlines.test_act_on_deadline import freeze
from tests.service.operations.disputes.disputing import contested, read, resolution, state
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import platform, refund_request, stocked
from tests.service.operations.refunds.test_currencies import transferred_in_euro

IN_FLIGHT = "liab:refunds_in_flight"


def operator(market: Marketplace) -> EscrowClient:
    return market.client("operator", role="operator")


async def counted(market: Marketplace, escrow: escrow_pb.Escrow) -> dict[str, int]:
    """What the row of the escrow says that one person has decided."""
    query = "SELECT decided_alone FROM escrows WHERE escrow_id = $1::text::uuid"
    told: dict[str, int] = json.loads(await market.owner.fetchval(query, escrow.id[4:]))
    return told


async def waits(market: Marketplace, asked: Awaitable[Message]) -> pb.Approval:
    """The approval for which it waits."""
    async with market.refuses("APPROVAL_NEEDED", writes=True) as refusal:
        await asked
    return await read_approval(market, pb.Approval(id=refusal.metadata["approval_id"]))


async def test_what_is_refunded_in_parts_adds_up_until_a_second_person_has_seen_it(
    market: Marketplace,
) -> None:
    await limit(market, ApprovalLimits(refunds_minor=50_00))
    escrow = await market.funded_escrow()
    await asker(market).refunds.RefundMilestone(refund_request(escrow, 30_00))
    assert await counted(market, escrow) == {"REFUNDS USD": 31_50}
    books = await market.books(escrow)

    request = refund_request(escrow, 20_00)
    async with market.refuses("APPROVAL_NEEDED", writes=True) as refusal:
        await asker(market).refunds.RefundMilestone(request)
    approval = await ask_above(market, request)

    assert refusal.message.startswith("After 31.50 USD that were decided before, 21.00 USD is")
    assert refusal.metadata["decided_before_minor"] == "3150"
    assert await market.books(escrow) == books
    assert (approval.amount, approval.decided_before) == (usd(21_00), usd(31_50))
    # Of another escrow nothing counts with it, nor what is rejected.
    await asker(market).refunds.RefundMilestone(refund_request(await market.funded_escrow(), 10_00))
    await approver(market).approvals.Reject(rejection_of(approval))
    assert await counted(market, escrow) == {"REFUNDS USD": 31_50}
    anew = await ask_above(market, refund_request(escrow, 20_00))
    await approver(market).approvals.Approve(approval_of(anew))
    assert await counted(market, escrow) == {}
    await asker(market).refunds.RefundMilestone(refund_request(escrow, 40_00))
    assert await counted(market, escrow) == {"REFUNDS USD": 42_00}
    refunded = [moved for kind, moved in await market.books(escrow) if kind == "refunded_from_held"]
    assert [moved[IN_FLIGHT] for moved in refunded] == [-31_50, -10_50, -21_00, -42_00]


async def test_who_approves_has_seen_what_was_decided_before(market: Marketplace) -> None:
    await limit(market, ApprovalLimits(refunds_minor=50_00))
    escrow = await market.funded_escrow(1_000_00)
    seen = await ask_above(market, refund_request(escrow, 60_00))
    assert not seen.HasField("decided_before")
    await asker(market).refunds.RefundMilestone(refund_request(escrow, 40_00))

    async with market.refuses("APPROVAL_PLAN_CHANGED", writes=True):
        await approver(market).approvals.Approve(approval_of(seen))

    anew = await read_approval(market, seen)
    assert anew.decided_before == usd(42_00)
    assert "before: 42.00 USD without a second person" in anew.plan
    small = await ask_above(market, refund_request(escrow, 10_00))
    await approver(market).approvals.Approve(approval_of(anew))
    await approver(market).approvals.Approve(approval_of(small))  # less was decided than it shows
    assert await counted(market, escrow) == {}
    assert await platform(market, IN_FLIGHT) == -(42_00 + 63_00 + 10_50)


async def test_what_was_rejected_is_not_done_by_the_same_request(market: Marketplace) -> None:
    """Nor what has expired: also where it is below the limits when it is asked for again."""
    await limit(market, ApprovalLimits(refunds_minor=50_00))
    escrow = await market.funded_escrow()
    request = refund_request(escrow, 60_00)
    await approver(market).approvals.Reject(rejection_of(await ask_above(market, request)))
    await limit(market, ApprovalLimits(refunds_minor=100_00))

    async with market.refuses("APPROVAL_REJECTED"):
        await asker(market).refunds.RefundMilestone(request)
    assert await platform(market, IN_FLIGHT) == 0
    await asker(market).refunds.RefundMilestone(refund_request(escrow, 60_00))


async def test_a_dry_run_says_that_a_second_person_has_to_approve(market: Marketplace) -> None:
    await limit(market, ApprovalLimits(refunds_minor=50_00))
    escrow = await market.funded_escrow()
    milestone = escrow.milestones[0].id
    cancel = escrow_pb.CancelEscrowRequest(
        request_id=new_request_id(), escrow_id=escrow.id, reason="They agree.", validate_only=True
    )

    async def planned(amount_minor: int) -> bool:
        plan = refund_pb.PlanRefundRequest(
            escrow_id=escrow.id, milestone_id=milestone, amount_minor=amount_minor
        )
        return (await asker(market).refunds.PlanRefund(plan)).needs_approval

    async with market.unchanged():
        assert (await operator(market).escrows.CancelEscrow(cancel)).needs_approval
        assert not (await asker(market).escrows.CancelEscrow(cancel)).needs_approval
        assert [await planned(47_00), await planned(48_00)] == [False, True]
    await asker(market).refunds.RefundMilestone(refund_request(escrow, 30_00))
    assert [await planned(17_00), await planned(18_00)] == [False, True]


def test_every_dry_run_of_what_is_under_a_limit_says_whether_it_would_wait() -> None:
    for service in SERVICES:
        for method in service.methods:
            dry = "validate_only" in method.input_type.fields_by_name
            if dry and access_of(method).approvals:
                assert "needs_approval" in method.output_type.fields_by_name, method.full_name


async def test_of_many_at_once_no_more_than_the_limit_is_done(market: Marketplace) -> None:
    await limit(market, ApprovalLimits(refunds_minor=50_00))
    escrow = await market.funded_escrow()
    refunds = asker(market).refunds

    told = await asyncio.gather(
        *(refunds.RefundMilestone(refund_request(escrow, 4_00)) for _ in range(20)),
        return_exceptions=True,
    )

    refused = [each for each in told if isinstance(each, grpc.aio.AioRpcError)]
    assert {reason_of(each) for each in refused} == {"APPROVAL_NEEDED"}
    assert len(told) - len(refused) == 50_00 // 4_20 == 11
    assert await platform(market, IN_FLIGHT) == -11 * 4_20


async def test_without_a_limit_nothing_is_counted(market: Marketplace) -> None:
    await limit(market, ApprovalLimits(write_offs_minor=0))
    escrow = await market.funded_escrow()
    await asker(market).refunds.RefundMilestone(refund_request(escrow, 30_00))
    assert await counted(market, escrow) == {}


async def test_an_operator_who_releases_waits_and_the_payer_does_not(market: Marketplace) -> None:
    await limit(market, ApprovalLimits(releases_minor=50_00))
    escrow = await market.funded_escrow()
    request = escrow_pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=60_00,
        reason="The payer asked us by telephone.",
    )

    waiting = await waits(market, operator(market).escrows.ReleaseMilestone(request))
    assert "released" not in dict(await market.books(escrow))
    assert (waiting.kind, waiting.method) == (APPROVAL_KIND_RELEASES, "ReleaseMilestone")
    await approver(market).approvals.Approve(approval_of(waiting))

    released = dict(await market.books(escrow))["released"]
    assert released["liab:escrow:m1:held"] == 60_00
    request.request_id, request.amount_minor = new_request_id(), 30_00
    await operator(market).escrows.ReleaseMilestone(request)
    assert await counted(market, escrow) == {"RELEASES USD": 30_00}
    other = await market.delivered_escrow()
    await market.accept(other)  # it is their right
    assert await counted(market, other) == {}


async def test_what_is_sent_when_a_freeze_is_lifted_counts(market: Marketplace) -> None:
    """A small refund at Stripe stops the transfers of its payment, and nothing of it is held."""
    await stocked(market)
    payee = await market.new_payee(active=False)
    escrow = await market.delivered_escrow(payee=payee)
    await market.accept(escrow)
    await market.settle()
    await refund_in_dashboard(market, await charge_of(market, escrow), 5_00)
    await market.settle()
    await market.onboard(payee)
    await limit(market, ApprovalLimits(releases_minor=50_00))
    frozen = (await market.read(escrow)).milestones[0].freezes[0]
    lift = escrow_pb.LiftFreezeRequest(
        request_id=new_request_id(), escrow_id=escrow.id, freeze_id=frozen.id, reason="It is known."
    )

    waiting = await waits(market, operator(market).escrows.LiftFreeze(lift))

    assert waiting.amount == usd(80_00)
    assert any("80.00 USD may move" in line for line in waiting.plan)
    assert "transfer_requested" not in dict(await market.books(escrow, payee))


async def test_what_it_converts_into_is_not_counted_once_more(market: Marketplace) -> None:
    escrow = await transferred_in_euro(market)
    await limit(market, ApprovalLimits(refunds_minor=10_00))  # of dollars
    plan = refund_pb.PlanRefundRequest(
        escrow_id=escrow.id, milestone_id=escrow.milestones[0].id, amount_minor=60_00
    )
    assert not (await asker(market).refunds.PlanRefund(plan)).needs_approval
    await asker(market).refunds.RefundMilestone(refund_request(escrow, 60_00))
    assert await counted(market, escrow) == {}


async def test_what_is_let_move_again_waits_too(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    freeze_id = await freeze(market, escrow)
    await limit(market, ApprovalLimits(releases_minor=50_00))
    lift = escrow_pb.LiftFreezeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        freeze_id=freeze_id,
        reason="It was somebody else.",
    )

    waiting = await waits(market, operator(market).escrows.LiftFreeze(lift))
    assert waiting.amount == usd(100_00)
    assert (await market.read(escrow)).milestones[0].frozen == usd(100_00)
    await approver(market).approvals.Approve(approval_of(waiting))

    assert (await market.read(escrow)).milestones[0].frozen == usd(0)


@pytest.mark.parametrize(
    "limits", [ApprovalLimits(releases_minor=50_00), ApprovalLimits(refunds_minor=50_00)]
)
async def test_who_decides_a_dispute_is_under_both_limits(
    market: Marketplace, limits: ApprovalLimits
) -> None:
    await limit(market, limits)
    dispute = await contested(market, await market.funded_escrow())

    request = resolution(dispute, 0)
    waiting = await waits(market, operator(market).disputes.ResolveDispute(request))
    await approver(market).approvals.Approve(approval_of(waiting))

    assert state(await read(market, dispute)) == "RESOLVED"
