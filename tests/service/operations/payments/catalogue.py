"""What is sure to be answered about a payment."""

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.marketplace import RETURN_URL, Marketplace


async def _fund_escrow(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = pb.FundEscrowRequest(
        request_id=new_request_id(),
        reason=WHY,
        escrow_id=escrow.id,
        milestone_ids=[escrow.milestones[0].id],
        method=pb.PAYMENT_METHOD_PAYMENT_INTENT,
        capture=pb.CAPTURE_STRATEGY_AUTOMATIC,
        return_url=RETURN_URL,
        etag=escrow.etag,
    )
    return Asked("payer", request)


async def _get_payment(market: Marketplace) -> Asked:
    payment = await market.fund(await market.new_escrow())
    return Asked("", pb.GetPaymentRequest(payment_id=payment.id))


async def _list_payments(market: Marketplace) -> Asked:
    payment = await market.fund(await market.new_escrow())
    filter_ = f"escrow_id = {payment.escrow_id}"
    return Asked("", pb.ListPaymentsRequest(page_size=10, filter=filter_))


async def _capture_payment(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow, capture=pb.CAPTURE_STRATEGY_MANUAL)
    await market.pay(payment)
    await market.read_payment(payment)  # so that it is known here, too
    request = pb.CapturePaymentRequest(
        request_id=new_request_id(), reason=WHY, payment_id=payment.id
    )
    return Asked("payer", request)


async def _cancel_payment(market: Marketplace) -> Asked:
    payment = await market.fund(await market.new_escrow())
    request = pb.CancelPaymentRequest(
        request_id=new_request_id(), reason=WHY, payment_id=payment.id
    )
    return Asked("payer", request)


REQUESTS: Requests = {
    "FundEscrow": _fund_escrow,
    "GetPayment": _get_payment,
    "ListPayments": _list_payments,
    "CapturePayment": _capture_payment,
    "CancelPayment": _cancel_payment,
}
