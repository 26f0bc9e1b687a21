"""Sends released money on its way when its payee has become ready, or a refusal has aged."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry.trace import Span

from service.domain import ids
from service.operations.escrows.request_transfer import request_transfer
from service.store.releases import WaitingRelease, find_waiting_releases
from service.tracing import continued
from service.workers.loop import Worker


class TransfersWorker(Worker[WaitingRelease]):
    """Released parts in payable whose payee can be paid. No lease: to ask twice changes nothing."""

    async def take(self, limit: int) -> list[WaitingRelease]:
        runtime = self.runtime
        return await find_waiting_releases(runtime.pool, runtime.clock(), limit=limit)

    def span(self, item: WaitingRelease) -> AbstractContextManager[Span]:
        """A trace of its own: it is not recorded which call made the payee ready."""
        release = ids.show(ids.RELEASE, item.release_id)
        attributes = {"escrow.tenant": item.tenant_id, "escrow.release.id": release}
        return continued("request_transfer", "", attributes)

    async def do(self, item: WaitingRelease) -> None:
        await request_transfer(self.runtime, item)
