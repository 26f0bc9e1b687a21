"""The streams that this process serves: how many, how long it waits for readers, their end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

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
    """How many streams there may be, of a caller and in all; how many seconds a reader may take.
    ``most_per_caller`` holds for each end user of a caller that acts for some.
    """

    most_per_caller: int = 100
    most: int = 2_000
    patience_s: float = 15.0

    @property
    def of_tenant(self) -> int:
        """Of one tenant: however many callers it names, others have room."""
        return max(self.most // 2, 1)


Whose = tuple[str, str, str]
"""A tenant, the name of a caller and the end user for whom it acts, or ""."""


@dataclass(slots=True)
class Streams:
    """Counts the streams of a server. A stream has no place in an admission: it would keep it.

    One that was cut, because its reader does not read, is none any more: its reader may resume at
    once. But gRPC keeps the call, with the message that was not taken, until the reader reads on,
    cancels it or its connection ends; a server cannot reset it. So these are counted as well, under
    limits as large: who never takes anything cannot fill the memory.
    """

    limits: StreamLimits = field(default_factory=StreamLimits)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    _of_callers: Counter[Whose] = field(default_factory=Counter)
    _cut: Counter[Whose] = field(default_factory=Counter)

    @contextmanager
    def open(self, method: str, caller: Caller) -> Iterator[None]:
        """A stream of the caller.

        Raises:
            TooManyStreams.
        """
        whose, labels = _whose(caller), {"rpc.method": method}
        if self._is_full(self._of_callers, whose) or self._is_full(self._cut, whose):
            raise TooManyStreams
        self._of_callers[whose] += 1
        _OPEN.add(1, labels)
        try:
            yield
        finally:
            _OPEN.add(-1, labels)
            _count_less(self._of_callers, whose)

    def cut(self, caller: Caller) -> Callable[[Any], None]:
        """Counts a call that was cut, until what this answers is called."""
        whose = _whose(caller)
        self._cut[whose] += 1
        return lambda _: _count_less(self._cut, whose)

    def _is_full(self, counted: Counter[Whose], whose: Whose) -> bool:
        of_tenant = sum(n for (tenant, _, _), n in counted.items() if tenant == whose[0])
        full = counted.total() >= self.limits.most or of_tenant >= self.limits.of_tenant
        return full or counted[whose] >= self.limits.most_per_caller

    def end(self) -> None:
        """Every stream ends now, so that its reader goes on elsewhere."""
        self.ending.set()


def _whose(caller: Caller) -> Whose:
    """No end user of a backend takes the places of its others."""
    return caller.tenant_id, caller.name, caller.end_user


def _count_less(counted: Counter[Whose], whose: Whose) -> None:
    counted[whose] -= 1
    if not counted[whose]:
        del counted[whose]
