"""Sends the changes of an escrow as they happen, after a version."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from uuid import UUID

from escrow.v1.escrow_service_pb2 import WatchEscrowRequest, WatchEscrowResponse
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EscrowMissing, VersionAhead, VersionReplaced
from service.operations.escrows.list_timeline import read_timeline
from service.operations.waiting import changed_number
from service.runtime import Runtime
from service.store.escrows import find_versions
from service.store.operations import change_at

MOST = 100  # changes of one message


async def watch_escrow(
    runtime: Runtime, call: Call, request: WatchEscrowRequest
) -> AsyncGenerator[WatchEscrowResponse, None]:
    """Raises EscrowMissing, VersionAhead, VersionReplaced."""
    key, after = (call.tenant_id, ids.parse(request.escrow_id)), request.after_version
    newest = (await find_versions(runtime.pool, [key])).get(key, 0)
    if newest == 0:
        raise EscrowMissing
    last_change = await change_at(runtime.pool, *key, after)
    if newest == after:
        yield WatchEscrowResponse(version=after)
    while True:
        if newest < after:
            raise VersionAhead
        while after < newest:
            async with runtime.stream_reads:
                response = await _read(runtime, *key, after, newest)
                await _prove(runtime, *key, after, last_change)
                after = response.version
                last_change = await change_at(runtime.pool, *key, after)
            yield response
        changed = await changed_number(runtime.versions, key, after)
        if changed is None:
            await _prove(runtime, *key, after, last_change)
            yield WatchEscrowResponse(version=after)
        else:
            newest = changed


async def _prove(
    runtime: Runtime, tenant_id: str, escrow_id: UUID, version: int, change: UUID | None
) -> None:
    """Whether the version still comes from the change that was sent. It is asked after a page was
    read, so that the page follows that change.

    Raises:
        VersionReplaced: a standby without the last commits took over, and others have their
        versions.
    """
    if await change_at(runtime.pool, tenant_id, escrow_id, version) != change:
        raise VersionReplaced


async def _read(
    runtime: Runtime, tenant_id: str, escrow_id: UUID, after: int, newest: int
) -> WatchEscrowResponse:
    page = await read_timeline(runtime, tenant_id, escrow_id, after=after, limit=MOST)
    versions = [*(entry.version for entry in page.items), *page.unreadable]
    version = max(versions, default=newest)  # where a change is gone, `escrow verify` says so
    return WatchEscrowResponse(entries=page.items, version=version, unreadable=page.unreadable)
