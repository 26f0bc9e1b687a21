"""Lists payments, newest first, as they are known here."""

from __future__ import annotations

from escrow.v1.escrow_service_pb2 import ListPaymentsRequest, ListPaymentsResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.records.payment import PaymentMethod
from service.domain.states.payment import PaymentState
from service.operations.listing import (
    BY_CREATE_TIME,
    BY_CURRENCY,
    Fields,
    by_id,
    by_name,
    list_rows,
)
from service.operations.payments.messages import payment_of
from service.runtime import Runtime
from service.store.lists import PAYMENTS

FIELDS: Fields = {
    "escrow_id": by_id("escrow_id", ids.ESCROW),
    "state": by_name("state", PaymentState, "PAYMENT_STATE_"),
    "method": by_name("method", PaymentMethod, "PAYMENT_METHOD_"),
    "currency": BY_CURRENCY,
    "create_time": BY_CREATE_TIME,
}


async def list_payments(
    runtime: Runtime, call: Call, request: ListPaymentsRequest
) -> ListPaymentsResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        PAYMENTS,
        FIELDS,
        key_of=lambda row: row.payment.payment_id,
        show=lambda row: payment_of(row.payment, row.milestone_ids),
        prefix=ids.PAYMENT,
    )
    return ListPaymentsResponse(
        payments=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
