"""RequestChanges: what was delivered is funded again, and not delivered."""

from datetime import UTC, timedelta

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace, transitions


def changes_to(escrow: pb.Escrow, *, etag: str = "") -> pb.RequestChangesRequest:
    return pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="In blue, please.",
        etag=etag,
    )


async def test_the_payee_delivers_again(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()
    books = await market.books()

    changed = (await market.payer.escrows.RequestChanges(changes_to(escrow))).escrow

    milestone = changed.milestones[0]
    assert milestone.state == pb.MILESTONE_STATE_FUNDED
    assert not milestone.HasField("deliver_time")
    assert milestone.waiting_for == "the payee to deliver"
    assert milestone.held == milestone.amount
    assert await market.books() == books
    entry = (await market.timeline(escrow))[-1]
    assert (entry.operation, entry.actor, entry.note) == (
        "request_changes",
        "payer",
        "In blue, please.",
    )
    assert transitions(entry) == [("mst", "DELIVERED", "FUNDED")]
    again = await market.deliver(changed)
    assert again.milestones[0].state == pb.MILESTONE_STATE_DELIVERED


async def test_only_what_is_delivered_can_be_changed(market: Marketplace) -> None:
    funded = await market.funded_escrow()
    accepted = await market.accept(await market.delivered_escrow())

    for escrow, state in ((funded, "FUNDED"), (accepted, "RELEASING")):
        async with market.refuses("WRONG_STATE") as refusal:
            await market.payer.escrows.RequestChanges(changes_to(escrow))
        subject_id = escrow.milestones[0].id
        told = {"subject_id": subject_id, "state": state, "event": "request_changes"}
        assert refusal.metadata == told


@pytest.mark.parametrize("over", [False, True])
async def test_changes_are_asked_for_until_the_inspection_is_over(
    market: Marketplace, over: bool
) -> None:
    """Also of what a freeze, or a late worker, has not released yet: to the second."""
    escrow = await market.delivered_escrow()
    end = escrow.milestones[0].inspection_end_time.ToDatetime(UTC)
    at = end if over else end - timedelta(seconds=1)
    object.__setattr__(market.running.runtime, "clock", lambda: at)

    if over:
        async with market.refuses("INSPECTION_OVER") as refusal:
            await market.payer.escrows.RequestChanges(changes_to(escrow))
        assert refusal.metadata == {"milestone_id": escrow.milestones[0].id}
        return
    changed = (await market.payer.escrows.RequestChanges(changes_to(escrow))).escrow
    assert changed.milestones[0].state == pb.MILESTONE_STATE_FUNDED


async def test_it_names_what_it_has_seen_and_what_there_is(market: Marketplace) -> None:
    escrow = await market.delivered_escrow()

    async with market.refuses("STALE_ETAG"):
        await market.payer.escrows.RequestChanges(changes_to(escrow, etag="1"))
    request = changes_to(escrow)
    request.milestone_id = f"mst_{AN_ID}"
    async with market.refuses("MILESTONE_MISSING"):
        await market.payer.escrows.RequestChanges(request)
    request.escrow_id = f"esc_{AN_ID}"
    async with market.refuses("ESCROW_MISSING"):
        await market.payer.escrows.RequestChanges(request)
