"""An operator refunds a payment that nothing waited for."""

from __future__ import annotations

from escrow.v1 import refund_service_pb2 as pb
from service.aggregates.escrow import EscrowCase, open_case
from service.aggregates.refund import parts_of, refund_requested
from service.aggregates.refund_parts import suspense_part
from service.aggregates.refund_plan import check_disputed
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import (
    AmountFrozen,
    NothingInSuspense,
    PaymentMissing,
    PaymentNotSettled,
    RefundAboveLeft,
    check_multiples,
)
from service.domain.money import charge_step_minor
from service.domain.records.payment import Payment
from service.domain.unit import UnitOfWork
from service.effects import create_refund
from service.operations.mutation import mutation
from service.operations.payments.settled import once_settled
from service.operations.refunds.messages import refund_message
from service.operations.taking import read_balance, save_taken, suspense_of
from service.runtime import Runtime
from service.store.escrows import BY_PAYMENT


async def refund_suspense(
    runtime: Runtime, call: Call, request: pb.RefundSuspenseRequest
) -> pb.RefundSuspenseResponse:
    """Posting 9s; a worker sends the refund to Stripe.

    Raises:
        PaymentMissing, StaleEtag, AmountNotMultiple, NothingInSuspense, RefundAboveLeft.
        PaymentDisputed, AmountFrozen: Stripe has taken or threatens the money.
        PaymentNotSettled, StripeUnavailable.
    """
    return await once_settled(runtime, call, lambda: _refund(runtime, call, request))


@mutation(pb.RefundSuspenseResponse, of="refund_suspense")
async def _refund(
    runtime: Runtime, unit: UnitOfWork, request: pb.RefundSuspenseRequest
) -> pb.RefundSuspenseResponse:
    payment_id = ids.parse(request.payment_id)
    held_minor = await read_balance(runtime, unit, suspense_of(payment_id))
    case = await open_case(
        runtime, unit, payment_id, by=BY_PAYMENT, etag=request.etag, missing=PaymentMissing
    )
    payment = case.payment(payment_id)
    amount_minor = request.amount_minor if request.HasField("amount_minor") else held_minor
    _check(case, payment, amount_minor, held_minor)
    refund_id = unit.new_id()
    parts = [suspense_part(case, payment, amount_minor, refund_id)]
    refund = refund_requested(case, payment, parts, request.reason, refund_id)
    create_refund.plan(case, refund)
    unit.note = payment.public_id
    message = refund_message(refund, parts_of(case, refund), payment.settled_currency or "")
    answer = pb.RefundSuspenseResponse(refund=message)
    if request.validate_only:
        return answer
    return await save_taken(runtime, unit, answer, suspense_of(payment_id), held_minor)


def _check(case: EscrowCase, payment: Payment, amount_minor: int, held_minor: int) -> None:
    if not held_minor:
        raise NothingInSuspense(payment_id=payment.public_id)
    currency = payment.currency
    check_multiples({"amount_minor": amount_minor}, charge_step_minor(currency), currency)
    if amount_minor > held_minor:
        raise RefundAboveLeft(amount_minor=amount_minor, left_minor=held_minor, currency=currency)
    check_disputed(case, payment)
    if any(f.payment_id == payment.payment_id and f.is_open for f in case.records.freezes):
        raise AmountFrozen(
            "Money of this payment was moved or threatened at Stripe, so that it may be gone:"
            " adopt the refund, or lift the freeze first.",
            payment_id=payment.public_id,
        )
    if not payment.confirmed:
        raise PaymentNotSettled(payment_id=payment.public_id)
