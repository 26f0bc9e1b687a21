"""Many at one door: requests for one aggregate wait for each other, and none of them races."""

import asyncio
from collections.abc import Awaitable, Hashable, Iterable

import grpc
import pytest
from google.protobuf.message import Message

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from service.domain import ids
from service.store.turns import Turns
from service.waiting import MOST_WAITING
from tests.postgres import Database
from tests.recorded import Metrics
from tests.service.operations.marketplace import (
    Marketplace,
    open_marketplace,
    second_service,
    usd,
)
from tests.service.operations.refusals import Refusal, read_refusal

RELEASED = """
SELECT count(*), sum(e.amount_minor)
FROM journals AS j JOIN entries AS e USING (tenant_id, journal_id)
WHERE j.kind = 'released' AND e.account = $1"""
LOCK = "SELECT 1 FROM escrows WHERE reference = $1 FOR UPDATE"
END_THE_FIRST = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted"


def release_of(escrow: pb.Escrow, amount_minor: int = 100) -> pb.ReleaseMilestoneRequest:
    return pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=amount_minor,
    )


async def released(market: Marketplace, escrow: pb.Escrow) -> tuple[int, int]:
    """How many parts were released by the books, and what they come to."""
    account = f"liab:escrow:{escrow.milestones[0].id}:held"
    row = await market.owner.fetchrow(RELEASED, account)
    assert row is not None
    return row[0], row[1]


def all_answered(answers: Iterable[Message | BaseException]) -> None:
    assert [str(each) for each in answers if isinstance(each, BaseException)] == []


def conflicts(metrics: Metrics) -> int:
    points = metrics.points().get("escrow.commit.conflicts", {})
    return sum(point.value for point in points.values())


def turns_of(market: Marketplace) -> Turns:
    return market.running.runtime.pool.turns


def nothing_is_left(turns: Turns) -> bool:
    return not turns._holders and not turns._queues


async def test_three_hundred_releases_of_one_escrow_are_all_answered_beside_another(
    market: Marketplace, metrics: Metrics
) -> None:
    payee = await market.new_payee()
    crowded = await market.funded_escrow(30_000, payee=payee)
    other = await market.funded_escrow(2_000, payee=payee)
    metrics.points()

    release = market.payer.escrows.ReleaseMilestone
    answers = await asyncio.gather(
        *(release(release_of(crowded)) for _ in range(300)),
        *(release(release_of(other)) for _ in range(20)),
        return_exceptions=True,
    )

    all_answered(answers)
    points = metrics.points()
    assert "escrow.commit.conflicts" not in points
    waited = points["escrow.line.wait.duration"]["aggregate",]
    assert waited.count >= 290
    # Each saw what the one before it had left.
    left = [a.escrow.milestones[0].held.amount_minor for a in answers[:300]]  # type: ignore[union-attr]
    assert sorted(left) == [100 * number for number in range(300)]
    assert await released(market, crowded) == (300, 30_000)
    assert await released(market, other) == (20, 2_000)
    assert nothing_is_left(turns_of(market))


async def test_what_is_not_held_is_refused_in_the_crowd_too(market: Marketplace) -> None:
    escrow = await market.funded_escrow(1_000, payee=await market.new_payee())

    answers = await asyncio.gather(
        *(market.payer.escrows.ReleaseMilestone(release_of(escrow)) for _ in range(30)),
        return_exceptions=True,
    )

    refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
    assert {read_refusal(each).reason for each in refused} == {"WRONG_STATE"}
    assert len(refused) == 20
    assert await released(market, escrow) == (10, 1_000)


async def test_the_answers_of_stripe_take_their_turn_among_the_requests(
    market: Marketplace, metrics: Metrics
) -> None:
    escrow = await market.funded_escrow(6_000, payee=await market.new_payee())
    release = market.payer.escrows.ReleaseMilestone
    await asyncio.gather(*(release(release_of(escrow)) for _ in range(30)))
    metrics.points()

    answers = await asyncio.gather(
        *(release(release_of(escrow)) for _ in range(30)),
        *(market.effects.run_once() for _ in range(4)),
        market.settle(),
        return_exceptions=True,
    )

    all_answered(each for each in answers if isinstance(each, Message | BaseException))
    assert conflicts(metrics) == 0
    await market.settle()
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("released") == kinds.count("transfer_confirmed") == 60


async def test_changes_of_one_party_take_turns(market: Marketplace, metrics: Metrics) -> None:
    """But for the leases of what is sent to Stripe, which are nobody's turn."""
    payer, payee = await market.new_payer(), await market.new_payee()
    metrics.points()

    all_answered(
        await asyncio.gather(
            *(
                market.service.parties.UpdatePayer(
                    party_pb.UpdatePayerRequest(
                        request_id=new_request_id(), payer_id=payer.id, name=f"Ann {number}"
                    )
                )
                for number in range(10)
            ),
            *(
                market.service.parties.UpdatePayee(
                    party_pb.UpdatePayeeRequest(
                        request_id=new_request_id(), payee_id=payee.id, name=f"Bob {number}"
                    )
                )
                for number in range(10)
            ),
            return_exceptions=True,
        )
    )

    assert conflicts(metrics) < 10
    assert nothing_is_left(turns_of(market))


async def test_payouts_of_one_payee_take_turns(market: Marketplace, metrics: Metrics) -> None:
    payee = await market.paid_payee(10_000)
    metrics.points()

    async def ask() -> str:
        request = party_pb.RequestPayoutRequest(
            request_id=new_request_id(), payee_id=payee.id, amount=usd(1_000)
        )
        try:
            return (await market.payee.parties.RequestPayout(request)).payout.id
        except grpc.aio.AioRpcError as error:
            return str(read_refusal(error).reason)

    told = await asyncio.gather(*(ask() for _ in range(20)))

    # 80.00 are the payee's share of 100.00.
    assert told.count("AMOUNT_ABOVE_BALANCE") == 12
    assert conflicts(metrics) == 0


async def test_two_processes_share_a_crowd(
    market: Marketplace, database: Database, sandbox_url: str
) -> None:
    """Versions decide between them; in each, who loses keeps its turn."""
    escrow = await market.funded_escrow(20_000, payee=await market.new_payee())
    async with second_service(database, sandbox_url) as other:
        clients: list[EscrowClient] = [market.payer, other]

        answers = await asyncio.gather(
            *(c.escrows.ReleaseMilestone(release_of(escrow)) for _ in range(100) for c in clients),
            return_exceptions=True,
        )

    all_answered(answers)
    assert await released(market, escrow) == (200, 20_000)


async def test_who_leaves_the_line_leaves_nothing_behind(market: Marketplace) -> None:
    escrow = await market.funded_escrow(1_000, payee=await market.new_payee())
    release = market.payer.escrows.ReleaseMilestone
    async with market.unchanged(), market.owner.transaction():
        await market.owner.fetchval(LOCK, escrow.reference)
        calls = [release(release_of(escrow), timeout=10) for _ in range(20)]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await release(release_of(escrow), timeout=0.3)
        assert refused.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        for call in calls:
            call.cancel()
        async with asyncio.timeout(5):
            while not nothing_is_left(turns_of(market)):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        await market.owner.execute(END_THE_FIRST)  # it was at the database when it was canceled
    await release(release_of(escrow))
    assert await released(market, escrow) == (1, 100)


async def test_a_line_that_is_full_refuses_at_once_and_says_when_to_come_again(
    market: Marketplace, metrics: Metrics
) -> None:
    escrow = await market.funded_escrow(1_000, payee=await market.new_payee())
    metrics.points()
    async with market.owner.transaction():
        await market.owner.fetchval(LOCK, escrow.reference)
        crowd = [
            asyncio.ensure_future(market.payer.escrows.ReleaseMilestone(release_of(escrow)))
            for _ in range(MOST_WAITING + 500)
        ]
        answers = asyncio.as_completed(crowd, timeout=15)
        refusals = [await refusal_of(next(answers)) for _ in range(400)]  # some are overtaken
        for call in crowd:
            call.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)

    assert {refusal.reason for refusal in refusals} == {"OVERLOADED"}
    assert all(refusal.retry_delay_s for refusal in refusals)
    assert metrics.points()["escrow.line.refused"]["aggregate", "full"].value >= 400


async def refusal_of(call: Awaitable[object]) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return read_refusal(caught.value)


async def test_who_hangs_is_overtaken(database: Database, sandbox_url: str) -> None:
    """Its turn is over after a second, and its versions are those of then."""
    async with open_marketplace(database, sandbox_url) as market:
        turns = turns_of(market)
        escrow = await market.funded_escrow(1_000, payee=await market.new_payee())
        key = "default", ids.parse(escrow.id)
        hanging: list[Hashable] = [key]
        turns._holders[key] = hanging

        answers = await asyncio.gather(
            *(market.payer.escrows.ReleaseMilestone(release_of(escrow)) for _ in range(5))
        )

        assert len(answers) == 5
        assert await released(market, escrow) == (5, 500)
        turns.give_up(hanging)
        assert nothing_is_left(turns)
