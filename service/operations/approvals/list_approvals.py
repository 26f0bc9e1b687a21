"""Lists approvals, newest first."""

from __future__ import annotations

from escrow.v1 import approval_service_pb2 as pb
from service.domain import ids
from service.domain.call import Call
from service.domain.states.approval import ApprovalState
from service.operations.held.messages import approval_message
from service.operations.listing import (
    BY_CREATE_TIME,
    BY_CURRENCY,
    Fields,
    by_id,
    by_name,
    list_rows,
)
from service.runtime import Runtime
from service.store.lists import APPROVALS

FIELDS: Fields = {
    "escrow_id": by_id("escrow_id", ids.ESCROW),
    "state": by_name("state", ApprovalState, "APPROVAL_STATE_"),
    "currency": BY_CURRENCY,
    "create_time": BY_CREATE_TIME,
}


async def list_approvals(
    runtime: Runtime, call: Call, request: pb.ListApprovalsRequest
) -> pb.ListApprovalsResponse:
    """Raises InvalidField: the filter or the page token is not one of ours."""
    now = runtime.clock()
    page = await list_rows(
        runtime,
        call,
        request,
        APPROVALS,
        FIELDS,
        key_of=lambda approval: approval.approval_id,
        show=lambda approval: approval_message(approval, now),
        prefix=ids.APPROVAL,
    )
    return pb.ListApprovalsResponse(
        approvals=page.items, next_page_token=page.next_page_token, unreadable=page.unreadable
    )
