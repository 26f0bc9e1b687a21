"""Sends released money on its way when its payee has become ready, or a refusal has aged."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from uuid import UUID

from opentelemetry.trace import Span

from service.domain import ids
from service.operations.escrows.request_transfer import request_transfer
from service.store.releases import WaitingRelease, find_waiting_releases
from service.tracing import continued
from service.workers.apart import Apart


class TransfersWorker(Apart[WaitingRelease]):
    """Released parts in payable whose payee can be paid."""

    async def find(self, limit: int) -> Sequence[WaitingRelease]:
        return await find_waiting_releases(self.runtime.pool, self.runtime.clock(), limit=limit)

    def key_of(self, item: WaitingRelease) -> UUID:
        return item.release_id

    def span(self, item: WaitingRelease) -> AbstractContextManager[Span]:
        """A trace of its own: it is not recorded which call made the payee ready."""
        release = ids.show(ids.RELEASE, item.release_id)
        attributes = {"escrow.tenant": item.tenant_id, "escrow.release.id": release}
        return continued("request_transfer", "", attributes)

    async def work_on(self, item: WaitingRelease) -> None:
        await request_transfer(self.runtime, item)
