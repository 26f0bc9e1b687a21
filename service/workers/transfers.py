"""Sends released money on its way when its payee has become ready, or a refusal has aged."""

from __future__ import annotations

from contextlib import AbstractContextManager
from uuid import UUID

from opentelemetry.trace import Span

from service.domain import ids
from service.operations.escrows.request_transfer import request_transfer
from service.runtime import Runtime
from service.store.releases import WaitingRelease, find_waiting_releases
from service.tracing import continued
from service.workers.loop import Worker


class TransfersWorker(Worker[WaitingRelease]):
    """Released parts in payable whose payee can be paid.

    No lease: to ask twice changes nothing. But a process has a part in one slot at a time: while
    Stripe is slow to confirm its payment, one part would else fill every slot.
    """

    def __init__(self, runtime: Runtime, *, slots: int = 16) -> None:
        super().__init__(runtime, slots=slots)
        self._at_work: set[UUID] = set()

    async def take(self, limit: int) -> list[WaitingRelease]:
        runtime = self.runtime
        most = limit + len(self._at_work)
        found = await find_waiting_releases(runtime.pool, runtime.clock(), limit=most)
        free = [release for release in found if release.release_id not in self._at_work][:limit]
        self._at_work |= {release.release_id for release in free}
        return free

    def span(self, item: WaitingRelease) -> AbstractContextManager[Span]:
        """A trace of its own: it is not recorded which call made the payee ready."""
        release = ids.show(ids.RELEASE, item.release_id)
        attributes = {"escrow.tenant": item.tenant_id, "escrow.release.id": release}
        return continued("request_transfer", "", attributes)

    async def do(self, item: WaitingRelease) -> None:
        try:
            await request_transfer(self.runtime, item)
        finally:
            self._at_work.discard(item.release_id)
