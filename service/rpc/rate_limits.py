"""How often each caller may call a method for a tenant, and each end user through it: a token
bucket for each, in this process.

A bucket is one number: the time at which it will be full again (the generic cell rate algorithm).
Who calls as often as they may have one token at a time, and no timer fills anything.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Mapping
from typing import NoReturn

from opentelemetry import metrics

from service.domain.errors import RateLimited
from service.rpc.identity.caller import Caller

BURST_S = 2.0  # of calls at the average rate, that may come at once
MOST_BUCKETS = 1_000
"""Of one method: beyond so many those that are full, and say nothing, are dropped. Where most have
something to say, the next are looked for when there are twice as many: not at every call.
"""
_REFUSED = metrics.get_meter("service.rpc").create_counter(
    "escrow.rate_limit.refused",
    unit="{call}",
    description="Calls above the rate of their caller, or of their end user, which the limit says.",
)


class Buckets:
    """One for each who calls, all of one rate: calls a second."""

    def __init__(self, per_s: float) -> None:
        self._interval_s = 1.0 / per_s
        # One call at least, however seldom it may be made.
        self._most_ahead_s = max(BURST_S, self._interval_s) + 1e-9
        self._full_at: dict[Hashable, float] = {}
        self._look_at = MOST_BUCKETS

    def wait_s(self, whose: Hashable, now: float) -> float:
        """Until there is a token; not above 0 where there is one."""
        return self._next(whose, now) - now - self._most_ahead_s

    def take(self, whose: Hashable, now: float) -> None:
        if whose not in self._full_at and len(self._full_at) >= self._look_at:
            self._full_at = {key: at for key, at in self._full_at.items() if at > now}
            self._look_at = max(MOST_BUCKETS, 2 * len(self._full_at))
        self._full_at[whose] = self._next(whose, now)

    def _next(self, whose: Hashable, now: float) -> float:
        return max(self._full_at.get(whose, now), now) + self._interval_s


class RateLimit:
    """The buckets of one method. A rate of 0 is any number."""

    def __init__(
        self,
        method: str,
        per_s: float,
        *,
        per_end_user: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._method = method
        self._clock = clock
        self._callers = Buckets(per_s) if per_s else None
        self._end_users = Buckets(per_end_user) if per_end_user else None

    def check(self, caller: Caller) -> None:
        """Takes one token of the caller's bucket for its tenant, and one of the end user's for whom
        it calls: no end user takes all that their backend may. Who is refused takes none.

        Raises:
            RateLimited: there is none.
        """
        now, whose = self._clock(), (caller.tenant_id, caller.name)
        taken: list[tuple[str, Buckets, Hashable]] = []
        if self._end_users and caller.end_user:
            taken.append(("end_user", self._end_users, (*whose, caller.end_user)))
        if self._callers:
            taken.append(("caller", self._callers, whose))
        for limit, buckets, of in taken:
            wait_s = buckets.wait_s(of, now)
            if wait_s > 0:
                self._refuse(caller, limit, wait_s)
        for _, buckets, of in taken:
            buckets.take(of, now)

    def _refuse(self, caller: Caller, limit: str, wait_s: float) -> NoReturn:
        labels = {
            "rpc.method": self._method,
            "escrow.tenant": caller.tenant_id,
            "escrow.caller": caller.name,
            "escrow.limit": limit,
        }
        _REFUSED.add(1, labels)
        raise RateLimited(limit=limit, retry_after_ms=math.ceil(wait_s * 1000))


class RateLimits:
    """What the configuration says: a rate for every method, for some another, and one for each end
    user of a caller. Calls a second; 0 for any number.
    """

    def __init__(
        self,
        per_s: float = 0,
        of_methods: Mapping[str, float] | None = None,
        *,
        per_end_user: float = 0,
    ) -> None:
        self._per_s = per_s
        self._per_end_user = per_end_user
        self.of_methods = dict(of_methods or {})

    def of(self, method: str) -> RateLimit | None:
        """The limit of "escrow.v1.EscrowService/GetEscrow"; None where there is none."""
        per_s = self.of_methods.get(method.rpartition("/")[2], self._per_s)
        if not per_s and not self._per_end_user:
            return None
        return RateLimit(method, per_s, per_end_user=self._per_end_user)
