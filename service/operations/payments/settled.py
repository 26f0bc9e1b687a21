"""What a refund takes is in the currency that its payment was settled in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.domain import ids
from service.domain.call import Call
from service.domain.errors import PaymentNotSettled
from service.operations.payments.get_payment import present_payment
from service.runtime import Runtime

Answer = TypeVar("Answer")


async def once_settled(
    runtime: Runtime, call: Call, refund: Callable[[], Awaitable[Answer]]
) -> Answer:
    """Reads a payment whose settlement is not known yet from Stripe, and tries once more.

    Raises:
        PaymentNotSettled: Stripe has not settled it either. StripeUnavailable.
    """
    try:
        return await refund()
    except PaymentNotSettled as unsettled:
        await present_payment(runtime, call, ids.parse(unsettled.metadata["payment_id"]))
        return await refund()
