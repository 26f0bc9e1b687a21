"""Lists disputes, newest first."""

from __future__ import annotations

from escrow.v1 import dispute_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.states.dispute import DisputeState
from service.operations.disputes.messages import row_message
from service.operations.listing import (
    BY_CREATE_TIME,
    BY_CURRENCY,
    Fields,
    by_amount,
    by_flag,
    by_id,
    by_name,
    by_time,
    list_rows,
)
from service.runtime import Runtime
from service.store.disputes import DISPUTES

FIELDS: Fields = {
    "escrow_id": by_id("escrow_id", ids.ESCROW),
    "milestone_id": by_id("milestone_id", ids.MILESTONE),
    "payer_id": by_id("payer_id", ids.PAYER),
    "payee_id": by_id("payee_id", ids.PAYEE),
    "opened_by": by_name("opened_by", Party, ""),
    "state": by_name("state", DisputeState, "DISPUTE_STATE_"),
    "open": by_flag("open"),
    "currency": BY_CURRENCY,
    "amount_minor": by_amount("amount_minor"),
    "due_time": by_time("due_at"),
    "create_time": BY_CREATE_TIME,
}


async def list_disputes(
    runtime: Runtime, call: Call, request: pb.ListDisputesRequest
) -> pb.ListDisputesResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    page = await list_rows(
        runtime,
        call,
        request,
        DISPUTES,
        FIELDS,
        key_of=lambda row: row.dispute.dispute_id,
        show=row_message,
        prefix=ids.DISPUTE,
    )
    return pb.ListDisputesResponse(
        disputes=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
