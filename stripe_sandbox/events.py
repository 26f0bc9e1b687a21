"""Events: a snapshot of an object at the moment something happened to it."""

from dataclasses import dataclass
from typing import Any

from stripe_sandbox.chaos_events import events_to_record
from stripe_sandbox.ids import new_id
from stripe_sandbox.state import State
from stripe_sandbox.store import StripeObject, Transaction, public

API_VERSION = "2026-10-28.endive"


@dataclass(frozen=True)
class Cause:
    """The `request` of an event; both fields are None when no API request caused it."""

    request_id: str | None = None
    idempotency_key: str | None = None


NO_REQUEST = Cause()


def new_event(
    event_type: str, obj: StripeObject, before: StripeObject | None, created: int, cause: Cause
) -> StripeObject:
    """An event about an object as it is now; `before` yields `previous_attributes`."""
    data: dict[str, Any] = {"object": public(obj)}
    if before is not None:
        data["previous_attributes"] = previous_attributes(public(before), data["object"])
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": created,
        "data": data,
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": cause.request_id, "idempotency_key": cause.idempotency_key},
        "type": event_type,
    }


def emit(state: State, transaction: Transaction, account: str, event: StripeObject) -> None:
    """Record an account's new event, unless chaos records others instead."""
    if account != state.platform:
        event["account"] = account
    for recorded in events_to_record(state, transaction, account, event):
        record(state, transaction, account, recorded)


def record(
    state: State, transaction: Transaction, account: str, event: StripeObject
) -> StripeObject:
    """Store a finished event and plan one delivery for each endpoint that wants it."""
    transaction.add(account, event)
    state.deliveries.plan(transaction, account, event)
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
