"""What is sure to be answered about what happens."""

from escrow.v1 import event_service_pb2 as feed_pb
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.marketplace import Marketplace

TYPES = ["create_escrow"]


async def _list_events(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    return Asked("service", feed_pb.ListEventsRequest(escrow_id=escrow.id, types=TYPES))


async def _watch_events(_: Marketplace) -> Asked:
    return Asked("service", feed_pb.WatchEventsRequest(types=TYPES))


REQUESTS: Requests = {"ListEvents": _list_events, "WatchEvents": _watch_events}
