"""The last moment of the calendar is a due time like any other; what no calendar has is refused."""

import json
from collections.abc import Awaitable, Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1.explanation_pb2 import ExplainEscrowRequest
from tests.service.operations.inbox.test_ingest_stripe_event import event
from tests.service.operations.marketplace import Marketplace, escrow_request

LAST_NANOS = "9999-12-31T23:59:59.999999999Z"
LAST = "9999-12-31T23:59:59.999999Z"


async def due(market: Marketplace, time: str) -> pb.CreateEscrowRequest:
    request = escrow_request(
        *(5_000, 5_000, 5_000), payer=await market.new_payer(), payee=await market.new_payee()
    )
    for milestone in request.milestones:
        milestone.due_time.FromJsonString(time)
    return request


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        (LAST_NANOS, LAST),
        (LAST, LAST),
        ("9999-12-31T23:59:59.999998999Z", "9999-12-31T23:59:59.999998Z"),
        ("2099-01-01T00:00:00.123456789Z", "2099-01-01T00:00:00.123456Z"),
        ("2099-01-01T00:00:00.000000999Z", "2099-01-01T00:00:00Z"),
    ],
)
async def test_a_due_time_is_kept_to_the_microsecond_and_breaks_nothing(
    market: Marketplace, asked: str, kept: str
) -> None:
    created = (await market.service.escrows.CreateEscrow(await due(market, asked))).escrow
    expected = Timestamp()
    expected.FromJsonString(kept)
    await market.pay(await market.fund(created))
    await market.settle()

    async def get() -> pb.Escrow:
        return await market.read(created)

    async def listed() -> pb.Escrow:
        answer = await market.service.escrows.ListEscrows(pb.ListEscrowsRequest())
        assert answer.unreadable == []
        return answer.escrows[0]

    await market.operator.escrows.ExplainEscrow(ExplainEscrowRequest(escrow_id=created.id))

    async def deliver() -> pb.Escrow:
        return await market.deliver(created)

    async def release() -> pb.Escrow:
        request = pb.ReleaseMilestoneRequest(
            request_id=new_request_id(),
            escrow_id=created.id,
            milestone_id=created.milestones[1].id,
        )
        return (await market.payer.escrows.ReleaseMilestone(request)).escrow

    async def accept() -> pb.Escrow:
        return await market.accept(created)

    escrow = created
    steps: tuple[Callable[[], Awaitable[pb.Escrow]], ...] = (get, listed, deliver, release, accept)
    for step in steps:
        escrow = await step()
        assert [m.due_time for m in escrow.milestones] == [expected] * 3, step
    assert [m.due_time for m in created.milestones] == [expected] * 3
    await market.settle()
    assert escrow.milestones[0].released.amount_minor == 5_000


async def test_an_unpaid_escrow_that_is_due_at_the_end_of_time_is_canceled(
    market: Marketplace,
) -> None:
    escrow = (await market.service.escrows.CreateEscrow(await due(market, LAST_NANOS))).escrow
    request = pb.CancelEscrowRequest(request_id=new_request_id(), escrow_id=escrow.id)

    canceled = (await market.payer.escrows.CancelEscrow(request)).escrow

    assert canceled.state == pb.ESCROW_STATE_CANCELED


async def test_times_are_cut_before_they_are_hashed(market: Marketplace) -> None:
    """A client that tells a time as it was told it asks for the same thing again."""
    request = await due(market, LAST_NANOS)
    first = await market.service.escrows.CreateEscrow(request)
    for milestone in request.milestones:
        milestone.due_time.FromJsonString(LAST)

    async with market.unchanged():
        assert await market.service.escrows.CreateEscrow(request) == first


@pytest.mark.parametrize("created", [-1, -62_135_596_800, 253_402_300_800, 2**63])
async def test_an_event_of_no_time_of_stripe_is_refused(market: Marketplace, created: int) -> None:
    async with market.refuses("INVALID_FIELD") as refusal:
        await market.tell(json.dumps(event(created=created)).encode())
    assert set(refusal.fields) == {"payload"}


@pytest.mark.parametrize("created", [0, 253_402_300_799])
async def test_an_event_of_an_extreme_time_breaks_nothing(
    market: Marketplace, created: int
) -> None:
    """It is of our own payment, which then was seen at that time."""
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    await market.pay(payment)
    for told in await market.news():
        await market.tell({**told, "created": created})
    await market.work()

    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    assert (await market.deliver(escrow)).milestones[0].state == pb.MILESTONE_STATE_DELIVERED
    await market.settle()
