"""What is sure to be answered about chargebacks."""

from escrow.v1 import chargeback_service_pb2 as pb
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.chargebacks.disputes import disputed_escrow
from tests.service.operations.marketplace import Marketplace


async def _get_chargeback(market: Marketplace) -> Asked:
    found = await disputed_escrow(market)
    return Asked("operator", pb.GetChargebackRequest(chargeback_id=found.id), role="auditor")


async def _list_chargebacks(market: Marketplace) -> Asked:
    await disputed_escrow(market)
    request = pb.ListChargebacksRequest(page_size=2, filter="state = NEEDS_RESPONSE")
    return Asked("operator", request, role="auditor")


async def _preview_chargeback_evidence(market: Marketplace) -> Asked:
    found = await disputed_escrow(market)
    request = pb.PreviewChargebackEvidenceRequest(chargeback_id=found.id)
    return Asked("operator", request, role="auditor")


REQUESTS: Requests = {
    "GetChargeback": _get_chargeback,
    "ListChargebacks": _list_chargebacks,
    "PreviewChargebackEvidence": _preview_chargeback_evidence,
}
