"""A line of requests that wait: in the order of arrival, bounded, and none beyond its deadline.

Times are those of the event loop's clock, in seconds.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from opentelemetry import metrics

from service.domain.errors import DeadlineExpired, Overloaded

Item = TypeVar("Item")

MOST_WAITING = 1_000
PACE_S = 0.002  # what a line takes its pace for until it has seen some
_WEIGHT = 0.2  # of the newest of the moves that the pace is the average of
_LONGEST_STEP = 4.0  # paces that one move counts for at most: one that was held up says little
LONGEST_RETRY_S = 30.0
SHORTEST_RETRY_S = 0.1

_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METER = metrics.get_meter("service.waiting")
_WAITING = _METER.create_up_down_counter(
    "escrow.line.waiting", unit="{request}", description="How many wait in the lines of a name."
)
_WAITED = _METER.create_histogram(
    "escrow.line.wait.duration",
    unit="s",
    description="For how long each waited that was called.",
    explicit_bucket_boundaries_advisory=_BUCKETS_S,
)
_REFUSED = _METER.create_counter(
    "escrow.line.refused",
    unit="{request}",
    description="What was not let in, or not begun: full, too_slow for its deadline, or late.",
)


class Line(Generic[Item]):
    """Who waits for one thing, each with an item of its own.

    ``name`` is the label of its metrics. A line is as fast as it has moved lately, since it was
    last empty: who would be answered after its deadline is refused when it comes. Who is called
    after it all the same is not begun.
    """

    def __init__(self, name: str, *, most: int = MOST_WAITING, inside: int = 0) -> None:
        """``inside`` are those that have the thing at once, and are answered at the line's pace."""
        self._labels = {"escrow.line": name}
        self._most = most
        self._inside = inside
        self._waiting: OrderedDict[asyncio.Future[bool], tuple[Item, float]] = OrderedDict()
        self._pace_s = PACE_S
        self._moved_at: float | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def join(self, item: Item, answer_by: float) -> None:
        """Returns when ``call_next`` has answered the item. Who is canceled has left.

        Raises:
            Overloaded: the line is full, or too slow for ``answer_by``.
            DeadlineExpired: it was called too late.
        """
        loop = asyncio.get_running_loop()
        joined_at = loop.time()
        self._check_room(joined_at, answer_by)
        called: asyncio.Future[bool] = loop.create_future()
        self._waiting[called] = item, answer_by
        _WAITING.add(1, self._labels)
        try:
            in_time = await called
            _WAITED.record(loop.time() - joined_at, self._labels)
        finally:
            _WAITING.add(-1, self._labels)
            self._waiting.pop(called, None)
        if not in_time:
            raise DeadlineExpired

    def call_next(self, take: Callable[[Item], None]) -> bool:
        """Gives the place to the first that waits, by ``take``; False when nobody does."""
        now = asyncio.get_running_loop().time()
        while self._waiting:
            called, (item, answer_by) = self._waiting.popitem(last=False)
            if called.done():  # it leaves at this moment
                continue
            if now >= answer_by:
                self._count_refused("late")
                called.set_result(False)
                continue
            take(item)
            called.set_result(True)
            self._measure(now)
            return True
        return False

    def _check_room(self, now: float, answer_by: float) -> None:
        wait_s = (len(self._waiting) + 1 + self._inside) * self._pace_s
        if answer_by == math.inf:  # it is no caller's: it was let in when it began
            return
        if len(self._waiting) >= self._most:
            reason = "full"
        elif now + wait_s > answer_by:
            reason = "too_slow"
        else:
            return
        self._count_refused(reason)
        retry_s = min(max(wait_s, SHORTEST_RETRY_S), LONGEST_RETRY_S)
        raise Overloaded(retry_after_ms=math.ceil(retry_s * 1000))

    def _count_refused(self, reason: str) -> None:
        _REFUSED.add(1, {**self._labels, "escrow.line.reason": reason})

    def _measure(self, now: float) -> None:
        """A move counts as a sample only when somebody has waited since the one before."""
        if self._moved_at is not None:
            took_s = min(now - self._moved_at, _LONGEST_STEP * self._pace_s)
            self._pace_s += _WEIGHT * (took_s - self._pace_s)
        if self._waiting:
            self._moved_at = now
        else:  # what held it up may be over
            self._moved_at, self._pace_s = None, PACE_S
