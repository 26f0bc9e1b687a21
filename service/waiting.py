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

from service.domain.errors import DeadlineExpired, Overloaded, Refusal

Item = TypeVar("Item")

MOST_WAITING = 1_000
PACE_S = 0.002  # what a line takes its pace for until it has seen some
# An empty line has no pace to see. What it had is likely for a moment, and means nothing later.
PACE_HALF_LIFE_S = 2.0
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

    ``name`` is the label of its metrics. A line is as fast as it has moved lately; while it is
    empty it forgets that by halves. Who would be answered after its deadline is refused as soon as
    that is seen: when it comes, or when the line turns out to be slower. Nobody is begun too late.
    """

    def __init__(self, name: str, *, most: int = MOST_WAITING, inside: int = 0) -> None:
        """``inside`` are those that have the thing at once, and are answered at the line's pace."""
        self._labels = {"escrow.line": name}
        self._most = most
        self._inside = inside
        self._waiting: OrderedDict[asyncio.Future[Refusal | None], tuple[Item, float]] = (
            OrderedDict()
        )
        self._pace_s = PACE_S
        self._known_at = -math.inf  # when the pace was measured, or has faded
        self._moved_at: float | None = None  # the last move, while somebody has waited since

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
        called: asyncio.Future[Refusal | None] = loop.create_future()
        self._waiting[called] = item, answer_by
        _WAITING.add(1, self._labels)
        try:
            refusal = await called
            _WAITED.record(loop.time() - joined_at, self._labels)
        finally:
            _WAITING.add(-1, self._labels)
            self._waiting.pop(called, None)
        if refusal is not None:
            raise refusal

    def call_next(self, take: Callable[[Item], None]) -> bool:
        """Gives the place to the first that waits, by ``take``; False when nobody does."""
        now = asyncio.get_running_loop().time()
        while self._waiting:
            called, (item, answer_by) = self._waiting.popitem(last=False)
            if called.done():  # it leaves at this moment
                continue
            if refusal := self._too_late(now, answer_by, before=0):
                called.set_result(refusal)
                continue
            take(item)
            called.set_result(None)
            self._measure(now)
            self._refuse_last(now)
            return True
        return False

    def _check_room(self, now: float, answer_by: float) -> None:
        if not self._waiting:
            self._fade(now)
        if answer_by == math.inf:  # it is no caller's: it was let in when it began
            return
        if len(self._waiting) >= self._most:
            raise self._overloaded("full", before=len(self._waiting))
        if refusal := self._too_late(now, answer_by, before=len(self._waiting) + 1):
            raise refusal

    def _refuse_last(self, now: float) -> None:
        """Those at the end, whom this pace cannot reach in time: they came when it looked better.

        It looks no further than the first that can be reached, so that a move costs nothing more.
        """
        while self._waiting:
            called = next(reversed(self._waiting))
            _, answer_by = self._waiting[called]
            refusal = self._too_late(now, answer_by, before=len(self._waiting))
            if refusal is None:
                return
            del self._waiting[called]
            if not called.done():
                called.set_result(refusal)

    def _too_late(self, now: float, answer_by: float, *, before: int) -> Refusal | None:
        """Why who is called after so many moves would not be answered in time."""
        if now >= answer_by:
            self._count_refused("late")
            return DeadlineExpired()
        if now + self._wait_s(before) > answer_by:
            return self._overloaded("too_slow", before=before)
        return None

    def _wait_s(self, before: int) -> float:
        """Until who is called after so many moves is answered, itself at work among the others."""
        return (before + self._inside) * self._pace_s

    def _overloaded(self, reason: str, *, before: int) -> Overloaded:
        self._count_refused(reason)
        retry_s = min(max(self._wait_s(before), SHORTEST_RETRY_S), LONGEST_RETRY_S)
        return Overloaded(retry_after_ms=math.ceil(retry_s * 1000))

    def _count_refused(self, reason: str) -> None:
        _REFUSED.add(1, {**self._labels, "escrow.line.reason": reason})

    def _measure(self, now: float) -> None:
        """A move counts as a sample only when somebody has waited since the one before."""
        if self._moved_at is not None:
            took_s = min(now - self._moved_at, _LONGEST_STEP * self._pace_s)
            self._pace_s += _WEIGHT * (took_s - self._pace_s)
        self._moved_at = self._known_at = now

    def _fade(self, now: float) -> None:
        """Nobody has waited since it was known: what held the line up may be over."""
        kept = 0.5 ** ((now - self._known_at) / PACE_HALF_LIFE_S)
        self._pace_s = PACE_S + kept * (self._pace_s - PACE_S)
        self._moved_at, self._known_at = None, now
