"""Lists every transition of an escrow, oldest first, with its time, actor and cause."""

from __future__ import annotations

import re
from uuid import UUID

from escrow.v1.escrow_service_pb2 import (
    ListTimelineRequest,
    ListTimelineResponse,
    TimelineEntry,
)
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EscrowMissing
from service.operations.escrows.timeline import ChangeWithAmounts, amounts_of, timeline_entry
from service.operations.paging import Page, cursor_of, fill_page, next_page_token, page_limit
from service.runtime import Runtime
from service.store.operations import find_timeline
from service.store.unreadable import Unreadable


async def list_timeline(
    runtime: Runtime, call: Call, request: ListTimelineRequest
) -> ListTimelineResponse:
    """Raises EscrowMissing, InvalidField."""
    escrow_id = ids.parse(request.escrow_id)
    after = cursor_of(request.page_token, request.escrow_id, _version)

    limit = page_limit(request.page_size, usual=100, most=500)
    page = await read_timeline(runtime, call.tenant_id, escrow_id, after=after, limit=limit)
    if not (page.items or page.unreadable or after):
        raise EscrowMissing
    return ListTimelineResponse(
        entries=page.items,
        next_page_token=next_page_token(str(page.last), request.escrow_id) if page.last else "",
        unreadable=page.unreadable,
    )


async def read_timeline(
    runtime: Runtime, tenant_id: str, escrow_id: UUID, *, after: int | None, limit: int
) -> Page[TimelineEntry, int]:
    """At most so many changes of an escrow after a version."""

    async def read(after: int | None, most: int) -> list[ChangeWithAmounts | Unreadable[int]]:
        rows = await find_timeline(
            runtime.pool, tenant_id, escrow_id, after_version=after or 0, limit=most
        )
        readable = [row for row in rows if not isinstance(row, Unreadable)]
        amounts = await amounts_of(runtime, tenant_id, {escrow_id}, readable)
        return [row if isinstance(row, Unreadable) else amounts.of(escrow_id, row) for row in rows]

    return await fill_page(
        read, lambda each: each.row.version, timeline_entry, after=after, limit=limit
    )


def _version(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):  # int() takes more, and bigint less
        raise ValueError(text)
    return int(text)
