"""Cancels an escrow that nobody has paid for."""

from __future__ import annotations

from dataclasses import replace

from escrow.v1.escrow_service_pb2 import (
    CancelEscrowRequest,
    CancelEscrowResponse,
    CancelPaymentRequest,
)
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PaymentOpen, StaleEtag
from service.domain.lifecycle import (
    MILESTONE,
    PAYMENT_ENDED,
    MilestoneEvent,
    PaymentEvent,
    follow,
)
from service.domain.model import Payment
from service.domain.unit import UnitOfWork
from service.operations.cancel_payment import end_payment
from service.operations.escrow_case import EscrowCase, open_case
from service.operations.house import House, mutation
from service.operations.messages import escrow_message
from service.operations.perform_effect import effect_id_of
from service.store.effects import read_effect


async def cancel_escrow(
    house: House, call: Call, request: CancelEscrowRequest
) -> CancelEscrowResponse:
    """Open payments are canceled at Stripe first, so that nobody pays for what is canceled.

    Raises:
        EscrowMissing, StaleEtag, PartyNotAllowed, StripeRefused, StripeUnavailable.
        WrongState: it has been paid for, at least in part.
    """
    while True:
        try:
            return await _cancel(house, call, request)
        except _OpenPayment as found:
            payment_id = found.payment.payment_id
            stop = CancelPaymentRequest(request_id=request.request_id, payment_id=found.shown)
            # Whatever comes of it (canceled, or paid after all), the escrow is looked at again.
            await end_payment(house, _step(call, found.payment), payment_id, stop)


def _step(call: Call, payment: Payment) -> Call:
    """The part of this request that ends one payment; its replay finds it again."""
    return replace(call, key=f"{call.key}:{ids.show(ids.PAYMENT, payment.payment_id)}")


class _OpenPayment(PaymentOpen):
    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        self.shown = ids.show(ids.PAYMENT, payment.payment_id)
        super().__init__(payment_id=self.shown)


@mutation(CancelEscrowResponse, of="cancel_escrow")
async def _cancel(
    house: House, unit: UnitOfWork, request: CancelEscrowRequest
) -> CancelEscrowResponse:
    case = await open_case(house, unit, ids.read(request.escrow_id))
    if request.etag and request.etag != str(case.escrow.version) and not await _began(house, case):
        raise StaleEtag(etag=case.escrow.version)
    for milestone in case.records.milestones:
        follow(MILESTONE, milestone.state, MilestoneEvent.CANCEL, unit.call.party)
    for payment in case.records.payments:
        if payment.state not in PAYMENT_ENDED:
            raise _OpenPayment(payment)
    for milestone in case.records.milestones:
        case.advance(milestone, MilestoneEvent.CANCEL)
    unit.note = request.reason
    return await house.save(unit, CancelEscrowResponse(escrow=escrow_message(case.records)))


async def _began(house: House, case: EscrowCase) -> bool:
    """Whether this request has ended a payment before: it is then what changed the etag."""
    call = case.unit.call
    for payment in case.records.payments:
        step = _step(call, payment)
        effect_id = effect_id_of(step, payment.payment_id, PaymentEvent.CANCEL)
        if await read_effect(house.pool, call.tenant_id, effect_id):
            return True
    return False
