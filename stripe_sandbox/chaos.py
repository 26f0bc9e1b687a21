"""Seeded chaos: faults in requests, events and deliveries, all drawn from one seed.

A test arms faults (`faults.py`) one by one. Chaos draws them: every decision comes from a generator
of its own, keyed by the seed, the kind of decision and a name that is the same in every run (the
3rd POST of /v1/transfers, the 2nd charge.updated). So the same seed gives the same request the same
fault, whatever the timing of other requests.

`api.py` asks for the fault of a request, `chaos_events.py` for the faults of an event, and
`deliveries.py` for those of its deliveries; `chaos_controls.py` has the routes.
"""

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from stripe_sandbox.faults import Fault
from stripe_sandbox.store import StripeObject

# Probability that a request fails in this way. Only one applies to a request: the sum is at most 1.
REQUEST_RATES: Mapping[str, float] = {
    "latency": 0.08,  # answers up to LONGEST_LATENCY_MS late, holding the key meanwhile
    "cut_before_effect": 0.02,  # the connection ends, and nothing was executed
    "cut_after_effect": 0.02,  # executed; the connection ends inside the body
    "key_in_use": 0.01,  # 409 idempotency_key_in_use, as if the same request were in progress
    "rate_limited": 0.02,  # 429, and nothing was executed
    "error_before_effect": 0.01,  # 500, and nothing was executed
    "error_after_effect": 0.01,  # executed, but answers 500; the key holds the true answer
    "stored_error": 0.01,  # 500 stored under its key, executed or not
}
# Probability that an event is recorded wrongly in this way; they are independent.
EVENT_RATES: Mapping[str, float] = {
    "never_generated": 0.03,  # there is no Event object at all
    "twin": 0.05,  # a second Event object reports the same change
    "stale_snapshot": 0.05,  # one more event, created now, shows the object as it was before
    "wrong_livemode": 0.02,  # one more event claims to be of live mode
    "wrong_api_version": 0.02,  # one more event is rendered by another API version
}
# Probability that the deliveries of an event fail in this way; they are independent.
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
class DeliveryPlan:
    """How an event is delivered: how many times, how late, or not at all."""

    copies: int = 1
    delay_s: float = 0.0
    dropped: bool = False


NORMAL_DELIVERY = DeliveryPlan()


class Chaos:
    """Draws faults from a seed and counts them. Without a seed there are none."""

    def __init__(self) -> None:
        self.seed: int | None = None
        self.rates: dict[str, float] = {}
        self.done: Counter[str] = Counter()
        self.never_generated: list[tuple[str, StripeObject]] = []
        """(account, event) of all events that were not generated, oldest first."""
        self._met: Counter[str] = Counter()

    def begin(self, seed: int, rates: Mapping[str, float]) -> None:
        """Start anew: this seed, and RATES with these changes."""
        self.clear()
        self.seed, self.rates = seed, {**RATES, **rates}

    def heal(self) -> None:
        """Stop drawing faults; the counts stay."""
        self.seed = None

    def clear(self) -> None:
        """Stop drawing faults and reset the counts."""
        self.heal()
        self.done.clear()
        self.never_generated.clear()
        self._met.clear()

    def fault_of(self, method: str, route: str, *, has_key: bool) -> Fault | None:
        """The fault for this request of a route such as `/v1/transfers/{id}`, or None."""
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

    def event_faults(self, event: StripeObject) -> list[str]:
        """Which of EVENT_RATES apply to a new event."""
        return self._faults_among("event", event, EVENT_RATES)[0]

    def delivery_of(self, event: StripeObject) -> DeliveryPlan:
        """How the event is delivered."""
        drawn, draw = self._faults_among("delivery", event, DELIVERY_RATES)
        if draw is None:
            return NORMAL_DELIVERY
        self.done.update(drawn)
        late_s = LONGEST_DELAY_S if "delay" in drawn else LONGEST_REORDER_S
        is_late = "delay" in drawn or "reorder" in drawn
        return DeliveryPlan(
            copies=2 if "duplicate" in drawn else 1,
            delay_s=draw.random() * late_s if is_late else 0.0,
            dropped="drop" in drawn,
        )

    def _faults_among(
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
