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
from service.domain.errors import PaymentOpen
from service.domain.lifecycle import MILESTONE, PAYMENT_ENDED, MilestoneEvent, follow
from service.domain.model import Payment
from service.domain.unit import UnitOfWork
from service.operations.cancel_payment import end_payment
from service.operations.escrow_case import EscrowCase, open_case
from service.operations.house import House, mutation
from service.operations.messages import escrow_message


async def cancel_escrow(
    house: House, call: Call, request: CancelEscrowRequest
) -> CancelEscrowResponse:
    """Open payments are canceled at Stripe first, so that nobody pays for what is canceled.

    Raises:
        EscrowMissing, StaleEtag, PartyNotAllowed, StripeUnavailable.
        WrongState: it has been paid for, at least in part.
    """
    while True:
        try:
            return await _cancel(house, call, request)
        except _OpenPayment as found:
            payment = found.payment
            shown = ids.show(ids.PAYMENT, payment.payment_id)
            step = replace(call, key=f"{call.key}:{shown}")
            stop = CancelPaymentRequest(request_id=request.request_id, payment_id=shown)
            await end_payment(house, step, payment.payment_id, stop)
            # Whatever came of it (canceled, or paid after all), the escrow is looked at again;
            # its etag has changed by our own doing.
            request = CancelEscrowRequest(
                request_id=request.request_id,
                escrow_id=request.escrow_id,
                reason=request.reason,
                etag="",
            )


class _OpenPayment(PaymentOpen):
    def __init__(self, payment: Payment) -> None:
        super().__init__(payment_id=ids.show(ids.PAYMENT, payment.payment_id))
        self.payment = payment


@mutation(CancelEscrowResponse, of="cancel_escrow")
async def _cancel(
    house: House, unit: UnitOfWork, request: CancelEscrowRequest
) -> CancelEscrowResponse:
    case = await open_case(house, unit, ids.read(request.escrow_id), etag=request.etag)
    _check(case)
    for milestone in case.records.milestones:
        case.advance(milestone, MilestoneEvent.CANCEL)
    unit.note = request.reason
    return await house.save(unit, CancelEscrowResponse(escrow=escrow_message(case.records)))


def _check(case: EscrowCase) -> None:
    for milestone in case.records.milestones:
        follow(MILESTONE, milestone.state, MilestoneEvent.CANCEL, case.unit.call.party)
    for payment in case.records.payments:
        if payment.state not in PAYMENT_ENDED:
            raise _OpenPayment(payment)
