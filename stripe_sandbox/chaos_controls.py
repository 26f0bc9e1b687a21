"""Controls under /_sandbox/chaos: begin, read, stop, and generate missing events late."""

from stripe_sandbox.call import Call
from stripe_sandbox.chaos import RATES, REQUEST_RATES
from stripe_sandbox.errors import parameter_invalid
from stripe_sandbox.events import record
from stripe_sandbox.params import Params
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.control("POST", "/_sandbox/chaos")
def begin_chaos(call: Call) -> StripeObject:
    """{"seed": 7, "rates": {"drop": 0.5}}: begin anew; `chaos.py` lists all rates."""
    call.params.require("seed")
    seed = call.params.integer("seed")
    assert seed is not None
    call.state.chaos.begin(seed, _rates(call.params.hash("rates")))
    return read_chaos(call)


@registry.control("GET", "/_sandbox/chaos")
def read_chaos(call: Call) -> StripeObject:
    """The seed (null when stopped), the rates, and how often each fault happened."""
    chaos = call.state.chaos
    return {
        "object": "chaos",
        "seed": chaos.seed,
        "rates": dict(chaos.rates),
        "done": dict(sorted(chaos.done.items())),
        "never_generated": len(chaos.never_generated),
    }


@registry.control("DELETE", "/_sandbox/chaos")
def heal_chaos(call: Call) -> StripeObject:
    """Stop drawing faults; deliveries already delayed or dropped stay so."""
    call.state.chaos.heal()
    return read_chaos(call)


@registry.control("POST", "/_sandbox/chaos/generate")
def generate_events(call: Call) -> StripeObject:
    """Record and deliver every event that was never generated, each of them once.

    Stripe never does this. It replaces the repair that an operator makes after comparing objects
    with events.
    """
    chaos = call.state.chaos
    missing, chaos.never_generated = chaos.never_generated, []
    for account, event in missing:
        record(call.state, call.transaction, account, event)
    return {"object": "list", "data": [event for _, event in missing]}


def _rates(params: Params) -> dict[str, float]:
    rates: dict[str, float] = {}
    for name, rate in params.items():
        if name not in RATES:
            raise parameter_invalid(f"rates[{name}]", f"There is no such rate: {name}")
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
            raise parameter_invalid(f"rates[{name}]", f"A rate is from 0 to 1: {rate}")
        rates[name] = rate
    if sum({**REQUEST_RATES, **rates}[name] for name in REQUEST_RATES) > 1:
        raise parameter_invalid("rates", "The rates of requests add up to more than 1.")
    return rates
