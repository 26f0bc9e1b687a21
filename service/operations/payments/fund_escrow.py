"""Starts the payment that funds an escrow, whole or by chosen milestones."""

from __future__ import annotations

from collections.abc import Sequence

from escrow.v1.escrow_service_pb2 import (
    CAPTURE_STRATEGY_MANUAL,
    PAYMENT_METHOD_CHECKOUT,
    FundEscrowRequest,
    FundEscrowResponse,
)
from service.aggregates.escrow import EscrowCase, open_case
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
from service.domain.policy import Policy
from service.domain.records.escrow import Milestone
from service.domain.records.payment import CaptureStrategy, Payment, PaymentMethod
from service.domain.states.milestone import MilestoneEvent, MilestoneState
from service.domain.states.payment import PaymentState
from service.domain.unit import UnitOfWork
from service.effects import create_checkout_session, create_payment_intent
from service.effects.create_checkout_session import Pages
from service.operations.mutation import mutation
from service.operations.origin import check_origin, keep_origin
from service.operations.payments.get_payment import present_payment
from service.operations.payments.messages import payment_message
from service.operations.return_urls import check_return_urls
from service.operations.send_now import send_now
from service.operations.settling import check_settles
from service.runtime import Runtime


async def fund_escrow(
    runtime: Runtime, call: Call, request: FundEscrowRequest
) -> FundEscrowResponse:
    """Stripe is asked at once; should it not answer, the same request_id gets the result later.

    Raises:
        EscrowMissing, MilestoneMissing, StaleEtag, InvalidField.
        WrongState, PartyNotAllowed, NothingToFund, PaymentOpen, PayerNotReady.
        AmountBeyondLimits: of one payment. CurrencyNotSettled, CurrencyNotReceived.
        PaymentRejected: Stripe refused to make the payment. StripeUnavailable.
    """
    check_return_urls(runtime, call, return_url=request.return_url, cancel_url=request.cancel_url)
    check_origin(request)
    started = await _start_payment(runtime, call, request)
    payment_id = ids.parse(started.payment.id)
    # The effect that makes the payment has the payment's own id.
    await send_now(
        runtime,
        call,
        payment_id,
        refusal=PaymentRejected,
        facts={"payment_id": ids.show(ids.PAYMENT, payment_id)},
    )
    return FundEscrowResponse(payment=await present_payment(runtime, call, payment_id))


@mutation(FundEscrowResponse, of="fund_escrow")
async def _start_payment(
    runtime: Runtime, unit: UnitOfWork, request: FundEscrowRequest
) -> FundEscrowResponse:
    checkout = request.method == PAYMENT_METHOD_CHECKOUT
    if checkout and not request.return_url:
        raise InvalidField(FieldViolation("return_url", "is required for method CHECKOUT"))
    case = await open_case(runtime, unit, ids.parse(request.escrow_id), etag=request.etag)
    if case.records.payer.stripe_customer is None:
        raise PayerNotReady
    for payee in case.records.payees.values():
        await check_settles(runtime, unit.call, case.escrow.currency, payee)
    milestones = _chosen(case, request)
    for milestone in milestones:
        if open_payment := case.open_payment(milestone):
            raise PaymentOpen(payment_id=open_payment.public_id)
        case.advance(milestone, MilestoneEvent.START_PAYMENT)
    policy = await runtime.policies.get(unit.call.tenant_id, case.escrow.policy_version)
    payment = _new_payment(case, policy, milestones, request)
    keep_origin(case, request)
    if checkout:
        pages = Pages(request.return_url, request.cancel_url or request.return_url)
        create_checkout_session.plan(case, payment, milestones, pages)
    else:
        create_payment_intent.plan(case, payment)
    return await runtime.finish(
        unit, lambda: FundEscrowResponse(payment=payment_message(case.records, payment))
    )


def _chosen(case: EscrowCase, request: FundEscrowRequest) -> list[Milestone]:
    if not request.milestone_ids:
        waiting = [m for m in case.records.milestones if m.state is MilestoneState.AWAITING_FUNDS]
        if not waiting:
            raise NothingToFund(state=case.escrow.state)
        return waiting
    if len(set(request.milestone_ids)) < len(request.milestone_ids):
        raise InvalidField(FieldViolation("milestone_ids", "names a milestone twice"))
    return [case.milestone(ids.parse(text)) for text in request.milestone_ids]


def _new_payment(
    case: EscrowCase, policy: Policy, milestones: Sequence[Milestone], request: FundEscrowRequest
) -> Payment:
    unit, escrow = case.unit, case.escrow
    _charge_once(policy, escrow.currency, milestones)
    amount_minor = sum(m.amount_minor + m.payer_fee_minor for m in milestones)
    policy.check_payment(amount_minor, escrow.currency)
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
    unit.create(payment)
    return payment


def _charge_once(policy: Policy, currency: str, milestones: Sequence[Milestone]) -> None:
    """What is fixed per payment goes with the first milestone of each payment, whichever it is."""
    if not policy.rules(currency).per_payment:
        return
    together = sorted(milestones, key=lambda milestone: milestone.position)
    quoted = policy.quote(currency, [milestone.amount_minor for milestone in together])
    for milestone, fees in zip(together, quoted, strict=True):
        milestone.payer_fee_minor = fees.payer_fee_minor
        milestone.payee_fee_minor = fees.payee_fee_minor
