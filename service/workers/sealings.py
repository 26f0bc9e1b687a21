"""Gives every operation its position in its tenant's sequence, soon after it was committed."""

from __future__ import annotations

import random
from collections import Counter

from service.runtime import Runtime
from service.store.sequence import Unsealed, find_unsealed, seal_operations
from service.workers.loop import Worker

MOST = 5_000  # of one step, which takes some hundredths of a second
# A tenant where so many looks in a row found nothing to do is looked at less often: another process
# is always faster there, or its database was restored (see ``find_unsealed``).
MOST_IN_VAIN = 10
LESS_OFTEN = 10


class SealingsWorker(Worker[Unsealed]):
    """Tenants with operations that have no position. Two processes never seal one tenant at a time:
    the second finds it taken, and looks again.
    """

    def __init__(self, runtime: Runtime, *, slots: int = 4) -> None:
        super().__init__(runtime, slots=slots)
        self._in_vain: Counter[str] = Counter()
        self._looks = 0

    async def take(self, limit: int) -> list[Unsealed]:
        self._looks += 1
        runtime = self.runtime
        found = await find_unsealed(runtime.pool, filter(self._is_looked_at, runtime.stripe))
        return random.sample(found, min(limit, len(found)))  # so that each has its turn

    async def do(self, item: Unsealed) -> None:
        tenant_id, sealed = item.tenant_id, MOST
        while sealed == MOST and not self._stopping.is_set():
            sealed = await seal_operations(self.runtime.pool, tenant_id, most=MOST)
            self._in_vain[tenant_id] = 0 if sealed else self._in_vain[tenant_id] + 1

    def _is_looked_at(self, tenant_id: str) -> bool:
        return self._in_vain[tenant_id] < MOST_IN_VAIN or self._looks % LESS_OFTEN == 0
