"""Cancels an escrow that is not paid for."""

from __future__ import annotations

from dataclasses import replace

from escrow.v1.escrow_service_pb2 import (
    CancelEscrowRequest,
    CancelEscrowResponse,
    CancelPaymentRequest,
)
from service.aggregates.escrow import EscrowCase, open_case
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PaymentOpen, StaleEtag
from service.domain.records.payment import Payment
from service.domain.states.milestone import MILESTONE, MilestoneEvent
from service.domain.states.payment import PAYMENT_ENDED, PaymentEvent
from service.domain.unit import UnitOfWork
from service.operations.escrows.messages import escrow_message
from service.operations.mutation import mutation
from service.operations.payments.cancel_payment import end_payment
from service.operations.send_now import effect_id_of
from service.runtime import Runtime
from service.store.effects import find_effect


async def cancel_escrow(
    runtime: Runtime, call: Call, request: CancelEscrowRequest
) -> CancelEscrowResponse:
    """Open payments are canceled at Stripe first, so that no payer pays for what is canceled.

    Raises:
        EscrowMissing, StaleEtag, PartyNotAllowed, StripeRefused, StripeUnavailable.
        WrongState: it has been paid for, at least in part.
    """
    has_ended_one = False

    @mutation(CancelEscrowResponse, of="cancel_escrow")
    async def story(
        runtime: Runtime, unit: UnitOfWork, request: CancelEscrowRequest
    ) -> CancelEscrowResponse:
        case = await open_case(runtime, unit, ids.parse(request.escrow_id))
        is_stale = request.etag not in ("", str(case.escrow.version))
        # Unless this request has made it so, by ending a payment.
        if is_stale and not has_ended_one and not await _began(runtime, case):
            raise StaleEtag(etag=case.escrow.version)
        return await _cancel(runtime, case)

    while True:
        try:
            return await story(runtime, call, request)
        except _OpenPayment as found:
            payment_id = found.payment.payment_id
            stop = CancelPaymentRequest(request_id=request.request_id, payment_id=found.shown)
            # The payment ends as canceled or as paid; either way the escrow is loaded again.
            await end_payment(runtime, _step(call, found.payment), payment_id, stop)
            has_ended_one = True


def _step(call: Call, payment: Payment) -> Call:
    """The part of this request that ends one payment; its replay finds it again."""
    return replace(call, key=f"{call.key}:{payment.public_id}")


class _OpenPayment(PaymentOpen):
    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        self.shown = payment.public_id
        super().__init__(payment_id=self.shown)


async def _cancel(runtime: Runtime, case: EscrowCase) -> CancelEscrowResponse:
    unit = case.unit
    for milestone in case.records.milestones:
        MILESTONE.follow(milestone.state, MilestoneEvent.CANCEL, unit.call.party)
    for payment in case.records.payments:
        if payment.state not in PAYMENT_ENDED:
            raise _OpenPayment(payment)
    for milestone in case.records.milestones:
        case.advance(milestone, MilestoneEvent.CANCEL)
    return await runtime.save(unit, CancelEscrowResponse(escrow=escrow_message(case.records)))


async def _began(runtime: Runtime, case: EscrowCase) -> bool:
    """Whether an earlier attempt of this request has planned the end of a payment."""
    call = case.unit.call
    for payment in case.records.payments:
        step = _step(call, payment)
        effect_id = effect_id_of(step, payment.payment_id, PaymentEvent.CANCEL)
        if await find_effect(runtime.pool, call.tenant_id, effect_id):
            return True
    return False
