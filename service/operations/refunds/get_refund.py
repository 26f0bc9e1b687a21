"""Reads a refund."""

from __future__ import annotations

from escrow.v1 import refund_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import RefundMissing
from service.operations.refunds.messages import refund_message
from service.runtime import Runtime
from service.store.escrows import BY_REFUND, find_escrow


async def get_refund(
    runtime: Runtime, call: Call, request: pb.GetRefundRequest
) -> pb.GetRefundResponse:
    """Raises RefundMissing."""
    refund_id = ids.parse(request.refund_id)
    records = await find_escrow(runtime.pool, call.tenant_id, refund_id, by=BY_REFUND)
    if records is None:
        raise RefundMissing
    refund = next(each for each in records.refunds if each.refund_id == refund_id)
    parts = [each for each in records.refund_parts if each.refund_id == refund_id]
    payment = next(p for p in records.payments if p.payment_id == refund.payment_id)
    message = refund_message(refund, parts, payment.settled_currency or "")
    return pb.GetRefundResponse(refund=message)
