"""How many calls of one method are at work at once. The others wait, each method in a line of its
own: a flood of one method leaves the others their share of the process.

Only what keeps this process busy counts. A call that waits for Stripe, or for its turn at an
aggregate, is ``aside``: it leaves its place to the next, and takes it up again without waiting,
because what was begun is finished first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from service.waiting import Line

# Two batches of the store's lanes and some that Python is at: more at once answer no more calls a
# second, and let everybody wait longer.
MOST_AT_WORK = 64
# A page of a list costs as much as dozens of other calls, and shares no batch: more at once are
# only slower, and would leave a call of another method one share of so many.
MOST_LISTS_AT_WORK = 8


def places_of(method: str) -> int:
    """How many calls of a method may be at work at once."""
    return MOST_LISTS_AT_WORK if method.startswith("List") else MOST_AT_WORK


class Place:
    """The place of one call; see ``Admission``."""

    __slots__ = ("_admission", "at_work")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.at_work = False

    def take(self) -> None:
        self._admission.at_work += 1
        self.at_work = True

    def leave(self) -> None:
        """Leaves the place to who waits; does nothing when it has none."""
        if self.at_work:
            self.at_work = False
            self._admission.left()


_PLACE: ContextVar[Place | None] = ContextVar("place", default=None)


class Admission:
    """The places of one method, and the line in front of them."""

    def __init__(self, method: str, *, most: int = MOST_AT_WORK) -> None:
        self.at_work = 0
        self._most = most
        self._line: Line[Place] = Line(method, inside=most)

    async def enter(self, answer_by: float) -> Place:
        """A place for the call of this context; give it back with ``leave``, whatever happens.

        Raises:
            Overloaded, DeadlineExpired: see ``Line.join``.
        """
        place = Place(self)
        if self.at_work < self._most and not self._line:
            place.take()
        else:
            try:
                await self._line.join(place, answer_by)
            except BaseException:
                place.leave()  # canceled in the moment in which it was called
                raise
        _PLACE.set(place)
        return place

    def left(self) -> None:
        self.at_work -= 1
        while self.at_work < self._most and self._line.call_next(Place.take):
            pass


@contextmanager
def aside() -> Iterator[None]:
    """Around waiting for something outside of this process's work. Outside of a call, nothing."""
    place = _PLACE.get()
    if place is None or not place.at_work:
        yield
        return
    place.leave()
    try:
        yield
    finally:
        place.take()
