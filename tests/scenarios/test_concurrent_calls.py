"""Clients that ask twice, all at once, too late, or for what is not theirs."""

import asyncio
from collections import Counter
from collections.abc import Awaitable

import grpc
import pytest

from escrow.client import connect, new_request_id, reason_of
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.scenarios.books import FUNDED, SETTLED, TRANSFERRED, books
from tests.scenarios.deal import Deal
from tests.world import World


async def test_twenty_acceptances_with_different_ids_release_once(deal: Deal) -> None:
    await deal.pay_for()
    await deal.deliver()
    answers = await asyncio.gather(
        *(deal.as_payer.escrows.AcceptDelivery(deal.acceptance()) for _ in range(20)),
        return_exceptions=True,
    )
    refusals = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert Counter(map(reason_of, refusals)) == {"WRONG_STATE": 19}
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.journals() == books(*TRANSFERRED)
    assert await deal.transfers() == [8_000]


async def test_two_hundred_twins_of_one_funding_make_one_payment(deal: Deal) -> None:
    request = pb.FundEscrowRequest(request_id=new_request_id(), escrow_id=deal.escrow.id)
    answers = await asyncio.gather(
        *(deal.as_payer.escrows.FundEscrow(request, timeout=30) for _ in range(200))
    )
    payments = {answer.SerializeToString(deterministic=True) for answer in answers}
    assert len(payments) == 1
    deal.payment = answers[0].payment
    assert deal.payment.client_secret
    customer = deal.payer.stripe_customer
    made = await deal.world.sandbox.all_of("/v1/payment_intents", customer=customer)
    assert [intent["id"] for intent in made] == [deal.payment.stripe_payment_intent]


async def test_a_replay_answers_byte_for_byte_whatever_has_happened_since(deal: Deal) -> None:
    await deal.pay_for()
    await deal.deliver()
    request = deal.acceptance()
    first = await deal.as_payer.escrows.AcceptDelivery(request)
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    again = await deal.as_payer.escrows.AcceptDelivery(request)
    assert again.SerializeToString() == first.SerializeToString()
    assert again.escrow.milestones[0].state == pb.MILESTONE_STATE_RELEASING
    assert await deal.journals() == books(*TRANSFERRED)


async def test_twenty_twins_of_one_acceptance_get_the_same_bytes(deal: Deal) -> None:
    await deal.pay_for()
    await deal.deliver()
    request = deal.acceptance()
    answers = await asyncio.gather(
        *(deal.as_payer.escrows.AcceptDelivery(request) for _ in range(20))
    )
    assert len({answer.SerializeToString() for answer in answers}) == 1
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    assert await deal.journals() == books(*TRANSFERRED)


async def test_an_id_that_was_used_for_something_else_is_refused(deal: Deal) -> None:
    await deal.pay_for()
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=deal.escrow.id,
        milestone_id=deal.milestone_id(),
        amount_minor=1_000,
    )
    await deal.as_payer.escrows.ReleaseMilestone(request)
    request.amount_minor = 2_000
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await deal.as_payer.escrows.ReleaseMilestone(request)
    assert reason_of(refused.value) == "REQUEST_ID_REUSED"
    assert (await deal.read()).milestones[0].released.amount_minor == 1_000


async def test_acting_on_an_escrow_that_has_changed_is_refused(deal: Deal) -> None:
    seen = deal.escrow.etag
    await deal.pay_for()
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=deal.escrow.id,
        milestone_id=deal.milestone_id(),
        etag=seen,
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await deal.as_payer.escrows.ReleaseMilestone(request)
    assert reason_of(refused.value) == "STALE_ETAG"
    assert await deal.journals() == books(FUNDED, SETTLED)
    request.etag = (await deal.read()).etag
    await deal.as_payer.escrows.ReleaseMilestone(request)


async def test_only_the_payer_accepts_and_only_the_payee_delivers(deal: Deal) -> None:
    await deal.pay_for()
    delivery = pb.SubmitDeliveryRequest(
        request_id=new_request_id(), escrow_id=deal.escrow.id, milestone_id=deal.milestone_id()
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await deal.as_payer.escrows.SubmitDelivery(delivery)
    assert reason_of(refused.value) == "PARTY_NOT_ALLOWED"
    await deal.deliver()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await deal.as_payee.escrows.AcceptDelivery(deal.acceptance())
    assert reason_of(refused.value) == "PARTY_NOT_ALLOWED"
    assert await deal.journals() == books(FUNDED, SETTLED)


async def test_another_tenant_finds_nothing_of_ours(world: World, deal: Deal) -> None:
    await deal.pay_for()
    await deal.deliver()
    async with connect(world.target, tenant="neighbour", caller="scenarios") as neighbour:
        payer = neighbour.acting("payer")
        asked: list[tuple[Awaitable[object], str]] = [
            (
                neighbour.escrows.GetEscrow(pb.GetEscrowRequest(escrow_id=deal.escrow.id)),
                "ESCROW_MISSING",
            ),
            (
                payer.escrows.GetPayment(pb.GetPaymentRequest(payment_id=deal.payment.id)),
                "PAYMENT_MISSING",
            ),
            (payer.escrows.AcceptDelivery(deal.acceptance()), "ESCROW_MISSING"),
            (
                neighbour.parties.GetPayee(party.GetPayeeRequest(payee_id=deal.payee.id)),
                "PAYEE_MISSING",
            ),
        ]
        for call, reason in asked:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call
            assert refused.value.code() is grpc.StatusCode.NOT_FOUND
            assert reason_of(refused.value) == reason
        listed = await neighbour.escrows.ListEscrows(pb.ListEscrowsRequest())
        assert not listed.escrows
