"""Sends released money on its way when its payee has become ready, or a refusal has aged."""

from __future__ import annotations

from service.operations.request_transfer import request_transfer
from service.store.releases import find_waiting_releases
from service.workers.loop import Worker


class TransfersWorker(Worker):
    """Released parts in payable whose payee can be paid."""

    async def run_once(self) -> int:
        house = self.house
        waiting = await find_waiting_releases(house.pool, house.clock(), limit=self.batch)
        return await self.each(waiting, lambda release: request_transfer(house, release))
