"""The event log: /v1/events, thirty days of it."""

from fnmatch import fnmatchcase

from stripe_sandbox.call import Call
from stripe_sandbox.errors import parameter_invalid, resource_missing
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()

KEPT_S = 30 * 24 * 3600
MOST_TYPES = 20


@registry.get("/v1/events")
def list_events(call: Call) -> StripeObject:
    """By type (`charge.*` too), up to twenty types, time, and whether delivery succeeded."""
    patterns = call.params.array("types")
    if call.params.is_set("type"):
        if patterns:
            raise parameter_invalid("type", "You may not specify both `type` and `types`.")
        patterns = [call.params.required_text("type")]
    if len(patterns) > MOST_TYPES:
        raise parameter_invalid("types", f"You may specify at most {MOST_TYPES} types.")
    delivered = (
        call.params.boolean("delivery_success") if call.params.is_set("delivery_success") else None
    )
    return call.page(
        "event",
        lambda event: (
            _is_kept(call, event)
            and (not patterns or any(fnmatchcase(event["type"], pattern) for pattern in patterns))
            # What is still being tried counts as not delivered, as it does at Stripe.
            and delivered in (None, event["pending_webhooks"] == 0)
        ),
    )


@registry.get("/v1/events/{id}")
def retrieve_event(call: Call) -> StripeObject:
    """One event, if it is not older than thirty days."""
    event = call.require("event", call.path["id"])
    if not _is_kept(call, event):
        raise resource_missing("event", call.path["id"])
    return event


def _is_kept(call: Call, event: StripeObject) -> bool:
    return bool(event["created"] > call.now - KEPT_S)
