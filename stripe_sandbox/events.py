"""Events: a snapshot of an object at the moment something happened to it."""

from typing import TYPE_CHECKING, Any

from stripe_sandbox.chaos_events import told_instead
from stripe_sandbox.expand import public
from stripe_sandbox.ids import new_id
from stripe_sandbox.store import StripeObject

if TYPE_CHECKING:
    from stripe_sandbox.call import Call

API_VERSION = "2026-10-28.endive"


def emit(
    call: "Call", event_type: str, obj: StripeObject, before: StripeObject | None = None
) -> StripeObject:
    """Store an event on the call's account and hand it to the endpoints that want it."""
    data: dict[str, Any] = {"object": public(obj)}
    if before is not None:
        data["previous_attributes"] = previous_attributes(public(before), data["object"])
    event: StripeObject = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": call.now,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {
            "id": call.cause.request_id,
            "idempotency_key": call.cause.idempotency_key,
        },
        "type": event_type,
    }
    if not call.on_platform:
        event["account"] = call.account
    for told in told_instead(call, event):
        record(call, told)
    for reacts_to, reaction in call.sandbox.registry.reactions:
        if reacts_to == event_type:
            reaction(call, obj)
    return event


def record(call: "Call", event: StripeObject) -> StripeObject:
    """Store a finished event and plan one delivery for each endpoint that wants it."""
    call.add(event)
    call.sandbox.webhooks.plan(call, event)
    return event


def previous_attributes(before: StripeObject, after: StripeObject) -> StripeObject:
    """The old values of what changed; nested hashes show only the names that changed."""
    changed: StripeObject = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict) and "object" not in old:
            changed[name] = previous_attributes(old, new)
        else:
            changed[name] = old
    return changed
