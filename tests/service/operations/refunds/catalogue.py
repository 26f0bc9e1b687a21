"""What is sure to be answered about refunds, and what payees owe because of them."""

from escrow.client import new_request_id
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.strangers import charge_of
from tests.service.movements.strangers import refund as refund_in_dashboard
from tests.service.operations.asked import WHY, Asked, Requests
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.operators.stuck import suspended
from tests.service.operations.refunds.money import receivables, refund, stocked, transferred
from tests.service.operations.refunds.reversals import freeze_of, reverse


async def _plan_refund(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    request = refund_pb.PlanRefundRequest(
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        sources=[refund_pb.RefundSource(amount_minor=2_500)],
    )
    return Asked("payee", request)


async def _refund_milestone(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    request = refund_pb.RefundMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        sources=[refund_pb.RefundSource(amount_minor=2_500)],
        reason=WHY,
        etag=escrow.etag,
    )
    return Asked("payee", request)


async def _refunded(market: Marketplace) -> refund_pb.Refund:
    await stocked(market)
    return await refund(market, await market.funded_escrow())


async def _get_refund(market: Marketplace) -> Asked:
    return Asked("", refund_pb.GetRefundRequest(refund_id=(await _refunded(market)).id))


async def _list_refunds(market: Marketplace) -> Asked:
    await _refunded(market)
    return Asked("", refund_pb.ListRefundsRequest(page_size=2, filter="state = REQUESTED"))


async def _refund_suspense(market: Marketplace) -> Asked:
    await stocked(market)
    escrow, payment = await suspended(market)
    request = refund_pb.RefundSuspenseRequest(
        request_id=new_request_id(),
        payment_id=payment.id,
        amount_minor=500,
        reason=WHY,
        etag=escrow.etag,
    )
    return Asked("operator", request, role="operator")


async def _adopt_refund(market: Marketplace) -> Asked:
    await stocked(market)
    escrow = await market.funded_escrow()
    await refund_in_dashboard(market, await charge_of(market, escrow), 2_100)
    await market.settle()
    frozen = await market.read(escrow)
    request = refund_pb.AdoptRefundRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        freeze_id=frozen.milestones[0].freezes[0].id,
        reason=WHY,
        etag=frozen.etag,
    )
    return Asked("operator", request, role="operator")


async def _adopt_reversal(market: Marketplace) -> Asked:
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market, 1_000, escrow=escrow)
    request = refund_pb.AdoptReversalRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        freeze_id=await freeze_of(market, made),
        purpose=refund_pb.REVERSAL_PURPOSE_GIVE_BACK,
        reason=WHY,
        etag=(await market.read(escrow)).etag,
    )
    return Asked("operator", request, role="operator")


async def _resolve_refund(market: Marketplace) -> Asked:
    await stocked(market)
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow), "pm_card_refundFail")
    await market.settle()
    asked = await refund(market, escrow)
    await market.settle()
    await market.sandbox.advance(120)
    await market.settle()
    request = refund_pb.ResolveRefundRequest(
        request_id=new_request_id(),
        refund_id=asked.id,
        resolution=refund_pb.REFUND_RESOLUTION_PUT_BACK,
        reason=WHY,
        etag=(await market.read(escrow)).etag,
    )
    return Asked("operator", request, role="operator")


async def _list_receivables(market: Marketplace) -> Asked:
    request = refund_pb.ListReceivablesRequest(page_size=2, filter="state = OWED")
    return Asked("operator", request, role="operator")


async def _write_off_receivable(market: Marketplace) -> Asked:
    await stocked(market)
    payee = await market.new_payee()
    escrow = await transferred(market, payee=payee)
    await market.pay_out(payee, 8_000)
    await refund(market, escrow)
    await market.settle()
    owed = await receivables(market, f'payee_id = "{payee.id}" AND state = OWED')
    request = refund_pb.WriteOffReceivableRequest(
        request_id=new_request_id(), receivable_id=owed[0].id, reason=WHY
    )
    return Asked("operator", request, role="operator")


REQUESTS: Requests = {
    "PlanRefund": _plan_refund,
    "RefundMilestone": _refund_milestone,
    "GetRefund": _get_refund,
    "ListRefunds": _list_refunds,
    "RefundSuspense": _refund_suspense,
    "AdoptRefund": _adopt_refund,
    "AdoptReversal": _adopt_reversal,
    "ResolveRefund": _resolve_refund,
    "ListReceivables": _list_receivables,
    "WriteOffReceivable": _write_off_receivable,
}
REPAIRS = frozenset(
    {"RefundSuspense", "AdoptRefund", "AdoptReversal", "ResolveRefund", "WriteOffReceivable"}
)
"""What only operators do."""
