"""The virtual clock: real time plus an offset that only grows."""

import time


class VirtualClock:
    """Unix seconds. Follows real time; `move_to` jumps forward, never backwards."""

    def __init__(self, offset_s: float = 0.0) -> None:
        self.offset_s = offset_s

    def now(self) -> float:
        """The virtual time in Unix seconds, with a fraction."""
        return time.time() + self.offset_s

    def move_to(self, instant: float) -> None:
        """Jump forward to `instant`; an instant in the past changes nothing."""
        self.offset_s += max(0.0, instant - self.now())
