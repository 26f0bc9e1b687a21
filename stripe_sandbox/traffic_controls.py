"""Controls that read what crossed the wire.

`GET /_sandbox/requests` has the latest API requests with their answers, `GET /_sandbox/events`
every event of every account.
"""

from stripe_sandbox.call import Call
from stripe_sandbox.registry import Registry
from stripe_sandbox.store import StripeObject, public

registry = Registry()


@registry.control("GET", "/_sandbox/requests")
def list_requests(call: Call) -> StripeObject:
    """The latest API requests with their answers, newest first."""
    return {"object": "list", "data": call.state.traffic.exchanges()}


@registry.control("GET", "/_sandbox/events")
def list_events(call: Call) -> StripeObject:
    """Every event of every account, as it was or would have been delivered."""
    accounts = call.state.store.accounts_with("event")
    events = [event for account in accounts for event in call.on(account).select("event")]
    return {"object": "list", "data": [public(event) for event in events]}
