"""What is sure to be answered about chargebacks."""

from escrow.client import new_request_id
from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.chargebacks.disputes import disputed_escrow, lost_escrow, preview
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


async def _upload_chargeback_evidence_file(market: Marketplace) -> Asked:
    found = await disputed_escrow(market)
    request = pb.UploadChargebackEvidenceFileRequest(
        request_id=new_request_id(), chargeback_id=found.id, content=b"%PDF-1.7 ...", reason=WHY
    )
    return Asked("operator", request, role="operator")


async def _stage_chargeback_evidence(market: Marketplace) -> Asked:
    found = await disputed_escrow(market)
    request = pb.StageChargebackEvidenceRequest(
        request_id=new_request_id(),
        chargeback_id=found.id,
        evidence={"duplicate_charge_explanation": "They were for two jobs.\nBoth were done."},
        reason=WHY,
    )
    return Asked("operator", request, role="operator")


async def _settle_chargeback(market: Marketplace) -> Asked:
    found = await lost_escrow(market)
    escrow = await market.read(escrow_pb.Escrow(id=found.escrow_id))
    source = pb.SettlementSource(milestone_id=escrow.milestones[0].id, amount_minor=9_000)
    request = pb.SettleChargebackRequest(
        request_id=new_request_id(),
        chargeback_id=found.id,
        platform_minor=10_500 - 9_450,
        sources=[source],
        reason="The bank decided.",
        etag=escrow.etag,
    )
    return Asked("operator", request, role="operator")


async def _submit_chargeback_evidence(market: Marketplace) -> Asked:
    found = await disputed_escrow(market)
    request = pb.SubmitChargebackEvidenceRequest(
        request_id=new_request_id(),
        chargeback_id=found.id,
        evidence_hash=(await preview(market, found)).evidence.hash,
        reason=WHY,
    )
    return Asked("operator", request, role="operator")


async def _list_chargeback_evidence(market: Marketplace) -> Asked:
    request = pb.ListChargebackEvidenceRequest(page_size=2, filter="step = SUBMITTED")
    return Asked("operator", request, role="auditor")


REQUESTS: Requests = {
    "GetChargeback": _get_chargeback,
    "ListChargebacks": _list_chargebacks,
    "PreviewChargebackEvidence": _preview_chargeback_evidence,
    "UploadChargebackEvidenceFile": _upload_chargeback_evidence_file,
    "StageChargebackEvidence": _stage_chargeback_evidence,
    "SubmitChargebackEvidence": _submit_chargeback_evidence,
    "ListChargebackEvidence": _list_chargeback_evidence,
    "SettleChargeback": _settle_chargeback,
}
