"""What is sure to be answered about what happens."""

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import event_service_pb2 as feed_pb
from service.store.sequence import seal_operations
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.marketplace import Marketplace

TYPES = ["create_escrow"]


async def _list_events(market: Marketplace) -> Asked:
    escrow = await _told(market)
    return Asked("service", feed_pb.ListEventsRequest(escrow_id=escrow.id, types=TYPES))


async def _watch_events(market: Marketplace) -> Asked:
    await _told(market)
    return Asked("service", feed_pb.WatchEventsRequest(types=TYPES, from_beginning=True))


async def _told(market: Marketplace) -> pb.Escrow:
    """An escrow whose creation has a position."""
    escrow = await market.new_escrow()
    await seal_operations(market.work_runtime.pool, market.tenant, most=10_000)
    return escrow


REQUESTS: Requests = {"ListEvents": _list_events, "WatchEvents": _watch_events}
