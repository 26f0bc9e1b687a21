"""GetEscrow: one escrow as it is now."""

from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import AN_ID, Marketplace


async def test_reading_changes_nothing(market: Marketplace) -> None:
    escrow = await market.funded_escrow()

    async with market.unchanged():
        assert await market.read(escrow) == await market.read(escrow)


async def test_the_etag_changes_with_every_change(market: Marketplace) -> None:
    escrow = await market.new_escrow()
    etags = [escrow.etag]

    await market.pay(await market.fund(escrow))
    etags.append((await market.read(escrow)).etag)
    await market.settle()
    etags.append((await market.read(escrow)).etag)
    etags.append((await market.deliver(escrow)).etag)

    assert len(set(etags)) == 4
    timeline = await market.timeline(escrow)
    assert [entry.version for entry in timeline] == list(range(1, int(etags[-1]) + 1))


async def test_there_is_no_such_escrow(market: Marketplace) -> None:
    async with market.refuses("ESCROW_MISSING"):
        await market.read(pb.Escrow(id=f"esc_{AN_ID}"))
