"""How often each caller may call a method for a tenant: a token bucket for each, in this process.

A bucket is one number: the time at which it will be full again (the generic cell rate algorithm).
Who calls as often as they may have one token at a time, and no timer fills anything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from opentelemetry import metrics

from service.domain.errors import RateLimited
from service.rpc.identity.caller import Caller

BURST_S = 2.0  # of calls at the average rate, that may come at once
MOST_BUCKETS = 10_000  # of one method; beyond it those that are full, and say nothing, are dropped
_REFUSED = metrics.get_meter("service.rpc").create_counter(
    "escrow.rate_limit.refused",
    unit="{call}",
    description="Calls above the rate of their caller, by method, caller and tenant.",
)


class RateLimit:
    """The buckets of one method."""

    def __init__(
        self, method: str, per_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._method = method
        self._interval_s = 1.0 / per_s
        # One call at least, however seldom it may be made.
        self._most_ahead_s = max(BURST_S, self._interval_s) + 1e-9
        self._clock = clock
        self._full_at: dict[tuple[str, str], float] = {}

    def check(self, caller: Caller) -> None:
        """Takes one token of the caller's bucket for its tenant.

        Raises:
            RateLimited: there is none.
        """
        now, whose = self._clock(), (caller.tenant_id, caller.name)
        full_at = max(self._full_at.get(whose, now), now) + self._interval_s
        wait_s = full_at - now - self._most_ahead_s
        if wait_s > 0:
            labels = {
                "rpc.method": self._method,
                "escrow.tenant": caller.tenant_id,
                "escrow.caller": caller.name,
            }
            _REFUSED.add(1, labels)
            raise RateLimited(retry_after_ms=math.ceil(wait_s * 1000))
        if whose not in self._full_at and len(self._full_at) >= MOST_BUCKETS:
            self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        self._full_at[whose] = full_at


class RateLimits:
    """What the configuration says: a rate for every method, and for some another. Calls a second;
    0 for any number.
    """

    def __init__(self, per_s: float = 0, of_methods: Mapping[str, float] | None = None) -> None:
        self._per_s = per_s
        self.of_methods = dict(of_methods or {})

    def of(self, method: str) -> RateLimit | None:
        """The limit of "escrow.v1.EscrowService/GetEscrow"; None where there is none."""
        per_s = self.of_methods.get(method.rpartition("/")[2], self._per_s)
        return RateLimit(method, per_s) if per_s else None
