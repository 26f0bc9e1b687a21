"""Starts the payment that funds an escrow, whole or by chosen milestones."""

from __future__ import annotations

from collections.abc import Sequence

from escrow.v1.escrow_service_pb2 import (
    CAPTURE_STRATEGY_MANUAL,
    PAYMENT_METHOD_CHECKOUT,
    FundEscrowRequest,
    FundEscrowResponse,
)
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import (
    FieldViolation,
    InvalidField,
    NothingToFund,
    PayerNotReady,
    PaymentOpen,
    PaymentRejected,
)
from service.domain.lifecycle import EffectState, MilestoneEvent, MilestoneState, PaymentState
from service.domain.model import (
    CaptureStrategy,
    EffectKind,
    Milestone,
    Payment,
    PaymentMethod,
)
from service.domain.policy import POLICIES
from service.domain.unit import UnitOfWork
from service.operations.escrow_case import EscrowCase, open_case
from service.operations.get_payment import present_payment
from service.operations.house import House, mutation
from service.operations.messages import payment_message
from service.operations.perform_effect import finish_effect
from service.stripe import requests


async def fund_escrow(house: House, call: Call, request: FundEscrowRequest) -> FundEscrowResponse:
    """Stripe is asked at once; should it not answer, the same request_id gets the result later.

    Raises:
        EscrowMissing, MilestoneMissing, StaleEtag, InvalidField.
        WrongState, PartyNotAllowed, NothingToFund, PaymentOpen, PayerNotReady.
        AmountBeyondLimits: of one payment.
        PaymentRejected: Stripe refused to make the payment. StripeUnavailable.
    """
    started = await _start_payment(house, call, request)
    payment_id = ids.read(started.payment.id)
    # The effect that makes the payment has the payment's own id.
    effect = await finish_effect(house, call.tenant_id, payment_id)
    if effect.state is EffectState.REJECTED:
        raise PaymentRejected(
            effect.error.get("message"), code=effect.error.get("code", ""), payment=payment_id.hex
        )
    return FundEscrowResponse(payment=await present_payment(house, call, payment_id))


@mutation(FundEscrowResponse, of="fund_escrow")
async def _start_payment(
    house: House, unit: UnitOfWork, request: FundEscrowRequest
) -> FundEscrowResponse:
    checkout = request.method == PAYMENT_METHOD_CHECKOUT
    if checkout and not request.return_url:
        raise InvalidField(FieldViolation("return_url", "is required for method CHECKOUT"))
    case = await open_case(house, unit, ids.read(request.escrow_id), etag=request.etag)
    if case.records.payer.stripe_customer is None:
        raise PayerNotReady
    milestones = _chosen(case, request)
    for milestone in milestones:
        if open_payment := case.open_payment(milestone):
            shown = ids.show(ids.PAYMENT, open_payment.payment_id)
            raise PaymentOpen(payment_id=shown)
        case.advance(milestone, MilestoneEvent.START_PAYMENT)
    payment = _new_payment(case, milestones, request)
    effect = ids.show(ids.EFFECT, payment.payment_id)
    payer, escrow = case.records.payer, case.escrow
    if checkout:
        kind = EffectKind.CREATE_CHECKOUT_SESSION
        params = requests.checkout_session(
            payment, payer, escrow, milestones, request.return_url, effect
        )
    else:
        kind = EffectKind.CREATE_PAYMENT_INTENT
        params = requests.payment_intent(payment, payer, escrow.reference, effect)
    unit.plan(
        kind,
        payment.payment_id,
        subject_id=payment.payment_id,
        request=params,
        escrow_id=escrow.escrow_id,
    )
    answer = FundEscrowResponse(payment=payment_message(case.records, payment))
    return await house.save(unit, answer)


def _chosen(case: EscrowCase, request: FundEscrowRequest) -> list[Milestone]:
    if not request.milestone_ids:
        waiting = [m for m in case.records.milestones if m.state is MilestoneState.AWAITING_FUNDS]
        if not waiting:
            raise NothingToFund(state=case.escrow.state)
        return waiting
    if len(set(request.milestone_ids)) < len(request.milestone_ids):
        raise InvalidField(FieldViolation("milestone_ids", "names a milestone twice"))
    return [case.milestone(ids.read(text)) for text in request.milestone_ids]


def _new_payment(
    case: EscrowCase, milestones: Sequence[Milestone], request: FundEscrowRequest
) -> Payment:
    unit, escrow = case.unit, case.escrow
    amount_minor = sum(m.amount_minor + m.payer_fee_minor for m in milestones)
    POLICIES[escrow.policy_version].check_limits(amount_minor, escrow.currency)
    checkout = request.method == PAYMENT_METHOD_CHECKOUT
    manual = request.capture == CAPTURE_STRATEGY_MANUAL
    payment = Payment(
        tenant_id=escrow.tenant_id,
        payment_id=unit.new_id(),
        escrow_id=escrow.escrow_id,
        payer_id=escrow.payer_id,
        method=PaymentMethod.CHECKOUT if checkout else PaymentMethod.PAYMENT_INTENT,
        capture=CaptureStrategy.MANUAL if manual else CaptureStrategy.AUTOMATIC,
        amount_minor=amount_minor,
        currency=escrow.currency,
        state=PaymentState.CREATING,
        created_at=unit.now,
        updated_at=unit.now,
    )
    for milestone in milestones:
        milestone.payment_id = payment.payment_id
    case.records.payments.append(payment)
    unit.put(payment)
    unit.moved(ids.show(ids.PAYMENT, payment.payment_id), "", payment.state)
    return payment
