"""An operator funds milestones from a payment that was for others, or came too late for them."""

from __future__ import annotations

from collections.abc import Sequence

from escrow.v1.operator_service_pb2 import ApplySuspenseRequest, ApplySuspenseResponse
from service.aggregates import payment as payments
from service.aggregates.escrow import EscrowCase, open_case
from service.domain import ids
from service.domain.errors import (
    AmountFrozen,
    FieldViolation,
    InvalidField,
    NothingInSuspense,
    PaymentMissing,
    PaymentOpen,
    SuspenseDiffers,
)
from service.domain.records.escrow import Milestone
from service.domain.records.payment import Payment
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.taking import read_balance, save_taken, suspense_of
from service.runtime import Runtime
from service.store.escrows import BY_PAYMENT


@mutation(ApplySuspenseResponse)
async def apply_suspense(
    runtime: Runtime, unit: UnitOfWork, request: ApplySuspenseRequest
) -> ApplySuspenseResponse:
    """The milestones are funded by that payment, and released from its charge.

    Raises:
        PaymentMissing, MilestoneMissing, StaleEtag, PartyNotAllowed.
        InvalidField: a milestone is named twice.
        NothingInSuspense, SuspenseDiffers: see there.
        WrongState: a milestone does not await funds. PaymentOpen: it is being paid for.
        AmountFrozen: Stripe has taken or threatens a part of the payment.
    """
    payment_id = ids.parse(request.payment_id)
    held_minor = await read_balance(runtime, unit, suspense_of(payment_id))
    case = await open_case(
        runtime,
        unit,
        payment_id,
        by=BY_PAYMENT,
        etag=request.etag,
        missing=PaymentMissing,
    )
    payment = case.payment(payment_id)
    milestones = _named(case, request.milestone_ids)
    _check(case, payment, milestones, held_minor)
    payments.apply_suspense(case, payment, milestones)
    unit.note = payment.public_id
    answer = ApplySuspenseResponse(escrow=escrow_message(case.records))
    if request.validate_only:
        return answer
    return await save_taken(runtime, unit, answer, suspense_of(payment_id), held_minor)


def _named(case: EscrowCase, milestone_ids: Sequence[str]) -> list[Milestone]:
    if len(set(milestone_ids)) < len(milestone_ids):
        raise InvalidField(FieldViolation("milestone_ids", "must name each milestone once"))
    return [case.milestone(ids.parse(each)) for each in milestone_ids]


def _check(
    case: EscrowCase, payment: Payment, milestones: Sequence[Milestone], suspense_minor: int
) -> None:
    """The milestones await exactly what is in suspense, no other payment is open for them, and
    Stripe has moved no money of this one.
    """
    if not suspense_minor:
        raise NothingInSuspense(payment_id=payment.public_id)
    awaited_minor = sum(m.amount_minor + m.payer_fee_minor for m in milestones)
    if awaited_minor != suspense_minor:
        raise SuspenseDiffers(
            suspense_minor=suspense_minor, awaited_minor=awaited_minor, currency=payment.currency
        )
    for milestone in milestones:
        if open_payment := case.open_payment(milestone):
            raise PaymentOpen(payment_id=open_payment.public_id)
    # A freeze that was lifted gave nothing back: what was refunded at Stripe is still gone.
    if any(f.payment_id == payment.payment_id for f in case.records.freezes):
        raise AmountFrozen(
            "Money of this payment was moved or threatened at Stripe, so that it may be gone. Leave"
            " it in suspense, adopt the refund (AdoptRefund), or refund the rest (RefundSuspense).",
            payment_id=payment.public_id,
        )
