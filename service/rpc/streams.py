"""The streams that this process serves: how many, how long it waits for readers, their end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry import metrics

from service.domain.errors import TooManyStreams
from service.rpc.identity.caller import Caller

_OPEN = metrics.get_meter("service.rpc").create_up_down_counter(
    "escrow.streams.open",
    unit="{stream}",
    description="Streams that are open now, by method.",
)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams there may be, of a caller and in all; how many seconds a reader may take."""

    most_per_caller: int = 100
    most: int = 2_000
    patience_s: float = 15.0

    @property
    def of_tenant(self) -> int:
        """Of one tenant: however many callers it names, others have room."""
        return max(self.most // 2, 1)


@dataclass(slots=True)
class Streams:
    """Counts the streams of a server. A stream has no place in an admission: it would keep it."""

    limits: StreamLimits = field(default_factory=StreamLimits)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    _of_callers: Counter[tuple[str, str]] = field(default_factory=Counter)

    @contextmanager
    def open(self, method: str, caller: Caller) -> Iterator[None]:
        """A stream of the caller.

        Raises:
            TooManyStreams.
        """
        whose, labels = (caller.tenant_id, caller.name), {"rpc.method": method}
        of_tenant = sum(n for (tenant, _), n in self._of_callers.items() if tenant == whose[0])
        full = self._of_callers.total() >= self.limits.most or of_tenant >= self.limits.of_tenant
        if full or self._of_callers[whose] >= self.limits.most_per_caller:
            raise TooManyStreams
        self._of_callers[whose] += 1
        _OPEN.add(1, labels)
        try:
            yield
        finally:
            _OPEN.add(-1, labels)
            self._of_callers[whose] -= 1
            if not self._of_callers[whose]:
                del self._of_callers[whose]

    def end(self) -> None:
        """Every stream ends now, so that its reader goes on elsewhere."""
        self.ending.set()
