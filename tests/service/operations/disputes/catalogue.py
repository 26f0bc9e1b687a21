"""What is sure to be answered about disputes between the parties."""

from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.disputes.disputing import (
    contested,
    named,
    offer,
    opened,
    opening,
    resolution,
)
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.refunds.money import stocked


async def _etag(market: Marketplace, dispute: pb.Dispute) -> str:
    return (await market.read(escrow_pb.Escrow(id=dispute.escrow_id))).etag


async def _open_dispute(market: Marketplace) -> Asked:
    escrow = await market.delivered_escrow()
    request = opening(escrow, amount_minor=5_000, to_payer_minor=4_000, etag=escrow.etag)
    return Asked("payer", request)


async def _get_dispute(market: Marketplace) -> Asked:
    dispute = await opened(market.payer, await market.delivered_escrow())
    return Asked("", pb.GetDisputeRequest(dispute_id=dispute.id))


async def _list_disputes(market: Marketplace) -> Asked:
    await opened(market.payer, await market.delivered_escrow())
    return Asked("", pb.ListDisputesRequest(page_size=1, filter="state = OPEN"))


async def _respond_to_dispute(market: Marketplace) -> Asked:
    dispute = await opened(market.payer, await market.delivered_escrow())
    request = pb.RespondToDisputeRequest(
        **named(dispute),
        answer=pb.DISPUTE_ANSWER_CONTEST,
        statement="It was whole.",
        etag=await _etag(market, dispute),
    )
    return Asked("payee", request)


async def _propose_dispute_split(market: Marketplace) -> Asked:
    escrow = await market.delivered_escrow()
    dispute = await contested(market, escrow)
    request = pb.ProposeDisputeSplitRequest(
        **named(dispute), to_payer_minor=4_000, etag=await _etag(market, dispute)
    )
    request.payees.add(payee_id=escrow.payee_id, amount_minor=6_000)
    return Asked("payer", request)


async def _accept_dispute_split(market: Marketplace) -> Asked:
    await stocked(market)
    dispute = await contested(market, await market.delivered_escrow())
    await offer(market.payer, dispute, 4_000)
    request = pb.AcceptDisputeSplitRequest(
        **named(dispute), offer_number=1, etag=await _etag(market, dispute)
    )
    return Asked("payee", request)


async def _request_mediation(market: Marketplace) -> Asked:
    dispute = await contested(market, await market.delivered_escrow())
    request = pb.RequestMediationRequest(**named(dispute), etag=await _etag(market, dispute))
    return Asked("payer", request)


async def _resolve_dispute(market: Marketplace) -> Asked:
    await stocked(market)
    escrow = await market.delivered_escrow()
    dispute = await contested(market, escrow)
    request = resolution(dispute, 4_000, etag=await _etag(market, dispute))
    request.payees.add(payee_id=escrow.payee_id, amount_minor=6_000)
    return Asked("operator", request, role="operator")


async def _withdraw_dispute(market: Marketplace) -> Asked:
    dispute = await opened(market.payer, await market.delivered_escrow())
    request = pb.WithdrawDisputeRequest(**named(dispute), etag=await _etag(market, dispute))
    return Asked("payer", request)


async def _add_dispute_evidence(market: Marketplace) -> Asked:
    dispute = await opened(market.payer, await market.delivered_escrow())
    content, name = b"%PDF-1.7 ...", "photo.pdf"
    request = pb.AddDisputeEvidenceRequest(
        **named(dispute),
        note="It is broken.",
        content=content,
        file_name=name,
        reason="They said so.",
    )
    return Asked("payer", request)


async def _given(market: Marketplace) -> pb.DisputeEvidence:
    asked = await _add_dispute_evidence(market)
    answer = await market.client(asked.party).disputes.AddDisputeEvidence(asked.request)
    return answer.evidence


async def _get_dispute_evidence(market: Marketplace) -> Asked:
    evidence = await _given(market)
    request = pb.GetDisputeEvidenceRequest(dispute_id=evidence.dispute_id, evidence_id=evidence.id)
    return Asked("payee", request)


async def _list_dispute_evidence(market: Marketplace) -> Asked:
    await _given(market)
    return Asked("", pb.ListDisputeEvidenceRequest(page_size=2))


REQUESTS: Requests = {
    "AddDisputeEvidence": _add_dispute_evidence,
    "GetDisputeEvidence": _get_dispute_evidence,
    "ListDisputeEvidence": _list_dispute_evidence,
    "OpenDispute": _open_dispute,
    "GetDispute": _get_dispute,
    "ListDisputes": _list_disputes,
    "RespondToDispute": _respond_to_dispute,
    "ProposeDisputeSplit": _propose_dispute_split,
    "AcceptDisputeSplit": _accept_dispute_split,
    "RequestMediation": _request_mediation,
    "ResolveDispute": _resolve_dispute,
    "WithdrawDispute": _withdraw_dispute,
}
