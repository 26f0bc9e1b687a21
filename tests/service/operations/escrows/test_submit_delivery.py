"""SubmitDelivery: the payee says that a funded milestone is delivered."""

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace, transitions


def delivery_of(escrow: pb.Escrow, number: int = 1, *, etag: str = "") -> pb.SubmitDeliveryRequest:
    return pb.SubmitDeliveryRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[number - 1].id,
        note="It is in the shared folder:\n\tposter.pdf",
        etag=etag,
    )


async def test_the_payer_may_look_at_it(market: Marketplace) -> None:
    escrow = await market.funded_escrow(6_000, 4_000)
    books = await market.books()

    delivered = (await market.payee.escrows.SubmitDelivery(delivery_of(escrow, 2))).escrow

    first, second = delivered.milestones
    assert first == escrow.milestones[0]
    assert second.state == pb.MILESTONE_STATE_DELIVERED
    assert second.waiting_for == "the payer to accept"
    assert second.deliver_time == delivered.update_time
    assert second.held == second.amount
    assert int(delivered.etag) == int(escrow.etag) + 1
    assert await market.books() == books
    entry = (await market.timeline(escrow))[-1]
    assert (entry.operation, entry.actor) == ("submit_delivery", "payee")
    assert entry.note == "It is in the shared folder:\n\tposter.pdf"
    assert transitions(entry) == [("mst", "FUNDED", "DELIVERED")]


async def test_what_is_not_paid_for_is_not_delivered(market: Marketplace) -> None:
    escrow = await market.new_escrow()

    async with market.refuses("WRONG_STATE") as refusal:
        await market.payee.escrows.SubmitDelivery(delivery_of(escrow))
    told = {"subject_id": escrow.milestones[0].id, "state": "AWAITING_FUNDS", "event": "deliver"}
    assert refusal.metadata == told


async def test_it_is_delivered_once(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()

    async with market.refuses("WRONG_STATE") as refusal:
        await market.payee.escrows.SubmitDelivery(delivery_of(escrow))
    assert refusal.metadata["state"] == "DELIVERED"


async def test_a_delivery_names_what_it_has_seen(market: Marketplace) -> None:
    escrow = await market.funded_escrow(6_000, 4_000)
    await market.deliver(escrow, 1)

    async with market.refuses("STALE_ETAG"):
        await market.payee.escrows.SubmitDelivery(delivery_of(escrow, 2, etag=escrow.etag))


async def test_there_is_no_such_milestone(market: Marketplace) -> None:
    escrow = await market.funded_escrow()
    request = delivery_of(escrow)

    request.milestone_id = f"mst_{AN_ID}"
    async with market.refuses("MILESTONE_MISSING"):
        await market.payee.escrows.SubmitDelivery(request)
    request.escrow_id = f"esc_{AN_ID}"
    async with market.refuses("ESCROW_MISSING"):
        await market.payee.escrows.SubmitDelivery(request)
