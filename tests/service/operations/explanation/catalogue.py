"""What is sure to be answered about an explanation."""

from escrow.v1.explanation_pb2 import ExplainEscrowRequest
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.marketplace import Marketplace


async def _explain_escrow(market: Marketplace) -> Asked:
    escrow = await market.delivered_escrow()
    request = ExplainEscrowRequest(
        escrow_id=escrow.id,
        as_of_time=escrow.create_time,
        milestone_ids=[escrow.milestones[0].id],
    )
    return Asked("", request)


REQUESTS: Requests = {"ExplainEscrow": _explain_escrow}
