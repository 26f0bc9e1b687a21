"""Ends open payments at Stripe before what they would pay for ends here (decision 7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from escrow.v1.escrow_service_pb2 import CancelPaymentRequest
from service.aggregates.escrow import EscrowCase
from service.domain.call import Call
from service.domain.errors import PaymentOpen, StaleEtag, WrongState
from service.domain.records.escrow import Milestone
from service.domain.records.payment import Payment
from service.domain.states.payment import PaymentEvent
from service.operations.payments.cancel_payment import end_payment
from service.operations.send_now import effect_id_of
from service.runtime import Runtime
from service.store.effects import find_effect

Result = TypeVar("Result")


class OpenPayment(PaymentOpen):
    """A payment is open that has to end first."""

    def __init__(self, payment: Payment) -> None:
        self.payment = payment
        super().__init__(payment_id=payment.public_id)


def check_no_open(case: EscrowCase, milestones: Iterable[Milestone]) -> None:
    """Raises OpenPayment: one of the milestones may still be paid by it."""
    for milestone in milestones:
        if payment := case.open_payment(milestone):
            raise OpenPayment(payment)


async def ending_payments(
    runtime: Runtime, call: Call, attempt: Callable[[bool], Awaitable[Result]]
) -> Result:
    """Attempts it again after each payment that has ended, as canceled or as paid. It is told
    whether one has.

    Raises:
        StripeRefused: a payment is still open. StripeUnavailable.
    """
    has_ended_one = False
    while True:
        try:
            return await attempt(has_ended_one)
        except OpenPayment as found:
            payment = found.payment
            stop = CancelPaymentRequest(request_id=call.key, payment_id=payment.public_id)
            with suppress(WrongState):  # it was paid a moment ago: what is paid is canceled too
                await end_payment(runtime, _step(call, payment), payment.payment_id, stop)
            has_ended_one = True


async def check_etag(runtime: Runtime, case: EscrowCase, etag: str, *, has_ended_one: bool) -> None:
    """Raises StaleEtag: the escrow has changed, and not because this request ended a payment."""
    if etag in ("", str(case.escrow.version)) or has_ended_one:
        return
    if not await _began_to_end(runtime, case):
        raise StaleEtag(etag=case.escrow.version)


async def _began_to_end(runtime: Runtime, case: EscrowCase) -> bool:
    """Whether an earlier attempt of the same request has planned the end of a payment."""
    call = case.unit.call
    for payment in case.records.payments:
        step = _step(call, payment)
        effect_id = effect_id_of(step, payment.payment_id, PaymentEvent.CANCEL)
        if await find_effect(runtime.pool, call.tenant_id, effect_id):
            return True
    return False


def _step(call: Call, payment: Payment) -> Call:
    """The part of a request that ends one payment; its replay finds it again."""
    return replace(call, key=f"{call.key}:{payment.public_id}")
