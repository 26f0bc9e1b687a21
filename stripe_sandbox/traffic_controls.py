"""Controls that read what crossed the wire, and say which keys may cross it.

`GET /_sandbox/requests` has the latest API requests with their answers, `GET /_sandbox/events`
every event of every account. `POST /_sandbox/keys` rolls a key or restricts one.
"""

from itertools import takewhile

from stripe_sandbox.call import Call
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.control("GET", "/_sandbox/requests")
def list_requests(call: Call) -> StripeObject:
    """The latest API requests with their answers, newest first."""
    return {"object": "list", "data": call.state.traffic.exchanges()}


@registry.control("POST", "/_sandbox/keys")
def change_key(call: Call) -> StripeObject:
    """{"key": "sk_test_...", "expired": true} refuses it from now on.

    {"key": "rk_test_...", "permissions": ["customer_write"]} restricts it to these.
    """
    key, keys = call.params.required_text("key"), call.state.keys
    if call.params.boolean("expired"):
        keys.expired.add(key)
    if "permissions" in call.params:
        keys.restricted[key] = frozenset(map(str, call.params.array("permissions")))
    return {"object": "key", "expired": key in keys.expired}


@registry.control("GET", "/_sandbox/events")
def list_events(call: Call) -> StripeObject:
    """Every event of every account, as it was or would have been delivered; with `created_gte`
    those that are not older.
    """
    least = call.params.integer("created_gte") or 0
    events: list[StripeObject] = []
    for account in call.state.store.accounts_with("event"):
        newest_first = call.on(account).select("event")
        events += takewhile(lambda event: event["created"] >= least, newest_first)
    return {"object": "list", "data": events}
