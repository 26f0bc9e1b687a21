"""Seeded chaos: what a bad day does to requests and to deliveries, drawn from one seed.

Armed faults (`faults.py`) are chosen by a test, one by one. Chaos is drawn: every decision comes
from a generator of its own, keyed by the seed, the kind of decision and a name that is the same in
every run (the 3rd POST of /v1/transfers, the 2nd charge.updated). So a seed decides the same about
the same request, however the others are timed; how many of them there are is for the client to say.

`api.py` asks for the fault of a request, `chaos_events.py` for what strikes an event, and
`deliveries.py` for the fate of its deliveries; `chaos_controls.py` has the routes.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stripe_sandbox.faults import Fault
from stripe_sandbox.store import StripeObject

# How often a request goes wrong, each time in one way: together at most 1.
REQUEST_RATES: Mapping[str, float] = {
    "latency": 0.08,  # answers up to LONGEST_LATENCY_MS late, holding the key meanwhile
    "cut_before_effect": 0.02,  # the connection ends, and nothing was executed
    "cut_after_effect": 0.02,  # executed; the connection ends inside the body
    "key_in_use": 0.01,  # 409 idempotency_key_in_use, as if a twin were still going on
    "rate_limited": 0.02,  # 429, and nothing was executed
    "error_before_effect": 0.01,  # 500, and nothing was executed
    "error_after_effect": 0.01,  # executed, but answers 500; the key holds the true answer
    "stored_error": 0.01,  # 500 stored under its key, executed or not
}
# How often an event is not told as it should be, each on its own.
EVENT_RATES: Mapping[str, float] = {
    "never_generated": 0.03,  # there is no Event object at all
    "twin": 0.05,  # a second Event object tells the same fact
    "stale_snapshot": 0.05,  # one more event, created now, shows the object as it was before
    "wrong_livemode": 0.02,  # one more event claims to be of live mode
    "wrong_api_version": 0.02,  # one more event is rendered by another API version
}
# How often the deliveries of an event go wrong, each on its own.
DELIVERY_RATES: Mapping[str, float] = {
    "drop": 0.05,  # never delivered, though it stays on the events list
    "duplicate": 0.10,  # the same event is delivered twice
    "reorder": 0.15,  # late by up to LONGEST_REORDER_S: later events overtake it
    "delay": 0.05,  # late by up to LONGEST_DELAY_S
}
RATES: Mapping[str, float] = {**REQUEST_RATES, **EVENT_RATES, **DELIVERY_RATES}

NEEDS_KEY = frozenset({"key_in_use", "stored_error"})
LONGEST_LATENCY_MS = 400
LONGEST_REORDER_S = 0.5
LONGEST_DELAY_S = 3600  # of the virtual clock, as all delays of deliveries


@dataclass(frozen=True)
class Fate:
    """What becomes of an event's deliveries: how many, how late, or none at all."""

    copies: int = 1
    delay_s: float = 0.0
    dropped: bool = False


UNHARMED = Fate()


class Chaos:
    """The decisions of one seed, and a count of what was done. Without a seed nothing is done."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.rates: dict[str, float] = {}
        self.done: Counter[str] = Counter()
        self.never_generated: list[tuple[str, StripeObject]] = []
        """(account, event) of all events that were kept from existing, oldest first."""
        self._met: Counter[str] = Counter()

    def begin(self, seed: int, rates: Mapping[str, float]) -> None:
        """Start anew: this seed, and RATES with these changes."""
        self.clear()
        self.seed, self.rates = seed, {**RATES, **rates}

    def heal(self) -> None:
        """From now on nothing goes wrong; what was done stays readable."""
        self.seed = None

    def clear(self) -> None:
        """Heal, and forget what was done."""
        self.heal()
        self.done.clear()
        self.never_generated.clear()
        self._met.clear()

    def fault_of(self, method: str, route: str, *, has_key: bool) -> Fault | None:
        """What goes wrong with this request of a route (`/v1/transfers/{id}`), if anything does."""
        if self.seed is None:
            return None
        draw = self._draw("request", f"{method} {route}")
        point = draw.random()
        for kind in REQUEST_RATES:
            point -= self.rates[kind]
            if point < 0:
                break
        else:
            return None
        if kind in NEEDS_KEY and not has_key:
            return None
        self.done[kind] += 1
        return _fault(kind, draw)

    def strikes_of(self, event: StripeObject) -> list[str]:
        """Which of EVENT_RATES strike a new event."""
        return self._struck("event", event, EVENT_RATES)[0]

    def fate_of(self, event: StripeObject) -> Fate:
        """What becomes of the deliveries of an event that exists."""
        struck, draw = self._struck("delivery", event, DELIVERY_RATES)
        if draw is None:
            return UNHARMED
        self.done.update(struck)
        late_s = LONGEST_DELAY_S if "delay" in struck else LONGEST_REORDER_S
        is_late = "delay" in struck or "reorder" in struck
        return Fate(
            copies=2 if "duplicate" in struck else 1,
            delay_s=draw.random() * late_s if is_late else 0.0,
            dropped="drop" in struck,
        )

    def _struck(
        self, decision: str, event: StripeObject, rates: Mapping[str, float]
    ) -> tuple[list[str], random.Random | None]:
        if self.seed is None:
            return [], None
        draw = self._draw(decision, event["type"])
        return [kind for kind in rates if draw.random() < self.rates[kind]], draw

    def _draw(self, decision: str, name: str) -> random.Random:
        """The generator of the next decision of this name."""
        self._met[f"{decision} {name}"] += 1
        # A text seeds by its SHA-512, which is the same in every process.
        return random.Random(f"{self.seed} {decision} {name} {self._met[f'{decision} {name}']}")  # noqa: S311 - chaos must be repeatable


def _fault(kind: str, draw: random.Random) -> Fault:
    match kind:
        case "latency":
            return Fault(kind, latency_ms=draw.randrange(1, LONGEST_LATENCY_MS))
        case "rate_limited":
            return Fault("status", status=429)
        case "error_before_effect":
            return Fault("status", status=500)
        case "stored_error":
            return Fault(kind, effect=draw.random() < 0.5)
    return Fault(kind)
