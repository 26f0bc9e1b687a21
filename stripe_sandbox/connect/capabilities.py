"""Capabilities of an account through v1: active once their requirements are met."""

from functools import cache

from stripe_sandbox.call import Call
from stripe_sandbox.connect.account_state import capability, change_account, require_account
from stripe_sandbox.errors import resource_missing
from stripe_sandbox.lists import envelope
from stripe_sandbox.registry import Registry
from stripe_sandbox.schemas import find_operation, request_schema
from stripe_sandbox.store import StripeObject

registry = Registry()

BASE = "/v1/accounts/{account}/capabilities"


@registry.get(BASE)
def list_capabilities(call: Call) -> StripeObject:
    """The capabilities that were ever requested."""
    account = require_account(call, call.path["account"])
    return envelope(
        call.request_path, [capability(account, name) for name in account["capabilities"]]
    )


@registry.get(BASE + "/{capability}")
def retrieve_capability(call: Call) -> StripeObject:
    """One capability; 404 for one that was never requested."""
    account = require_account(call, call.path["account"])
    if call.path["capability"] not in account["capabilities"]:
        raise resource_missing("capability", call.path["capability"], "capability")
    return capability(account, call.path["capability"])


@registry.post(BASE + "/{capability}")
def update_capability(call: Call) -> StripeObject:
    """Request a capability, or withdraw the request."""
    name = call.path["capability"]
    if name not in known_capabilities():
        raise resource_missing("capability", name, "capability")
    with change_account(call, call.path["account"]) as account:
        request_capability(account, name, call.params.boolean("requested"), call.now)
    return capability(account, name)


@cache
def known_capabilities() -> frozenset[str]:
    """The names an account can request, as the parameters of its creation list them."""
    operation = find_operation("POST", "/v1/accounts")
    properties = request_schema(operation)["properties"] if operation else {}
    return frozenset(properties["capabilities"]["properties"])


def request_capability(account: StripeObject, name: str, requested: bool, now: int) -> None:
    """Keep whether a capability is requested; `derive` decides whether it is active."""
    if requested:
        account["_requested"].setdefault(name, now)
    else:
        account["_requested"].pop(name, None)
