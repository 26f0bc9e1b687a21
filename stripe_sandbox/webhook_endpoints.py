"""Webhook endpoints: /v1/webhook_endpoints, and those the sandbox is started with."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from stripe_sandbox.call import Call
from stripe_sandbox.errors import parameter_invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.registry import Registry
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import StripeObject

registry = Registry()


@registry.post("/v1/webhook_endpoints")
def create_webhook_endpoint(call: Call) -> StripeObject:
    """The answer carries the signing secret, this once."""
    url = call.params.required_text("url")
    call.params.require("enabled_events")
    if not url.startswith(("http://", "https://")):
        raise parameter_invalid("url", f"Invalid URL: {url}", "url_invalid")
    endpoint = _new_endpoint(
        call,
        url=url,
        secret=new_id("whsec"),
        connect=call.params.boolean("connect"),
        enabled_events=call.params.array("enabled_events"),
    )
    endpoint["api_version"] = call.params.text("api_version")
    endpoint["description"] = call.params.text("description")
    endpoint["metadata"] = call.params.merge_metadata()
    return {**endpoint, "secret": endpoint["_secrets"][0]["secret"]}


def _new_endpoint(
    call: Call, *, url: str, secret: str, connect: bool, enabled_events: list[str]
) -> StripeObject:
    return call.add(
        {
            "id": new_id("we"),
            "object": "webhook_endpoint",
            "api_version": None,
            "application": None,
            "created": call.now,
            "description": None,
            "enabled_events": enabled_events,
            "livemode": False,
            "metadata": {},
            "status": "enabled",
            "url": url,
            "_connect": connect,
            "_secrets": [{"secret": secret, "expires_at": None}],
        }
    )


@registry.get("/v1/webhook_endpoints")
def list_webhook_endpoints(call: Call) -> StripeObject:
    """All endpoints of the account."""
    return call.page("webhook_endpoint")


@registry.get("/v1/webhook_endpoints/{id}")
def retrieve_webhook_endpoint(call: Call) -> StripeObject:
    """One endpoint, without its secret."""
    return call.require("webhook_endpoint", call.path["id"], "webhook_endpoint")


@registry.post("/v1/webhook_endpoints/{id}")
def update_webhook_endpoint(call: Call) -> StripeObject:
    """Change the URL, the events, the description, or disable it."""
    endpoint = retrieve_webhook_endpoint(call)
    endpoint["url"] = call.params.text("url", endpoint["url"])
    endpoint["enabled_events"] = call.params.array("enabled_events") or endpoint["enabled_events"]
    endpoint["description"] = call.params.text("description", endpoint["description"])
    endpoint["metadata"] = call.params.merge_metadata(endpoint["metadata"])
    if call.params.is_set("disabled"):
        endpoint["status"] = "disabled" if call.params.boolean("disabled") else "enabled"
    return endpoint


@registry.delete("/v1/webhook_endpoints/{id}")
def delete_webhook_endpoint(call: Call) -> StripeObject:
    """Deliveries that still wait for it fail."""
    endpoint = retrieve_webhook_endpoint(call)
    call.remove("webhook_endpoint", endpoint["id"])
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def configure_endpoints(sandbox: Sandbox, wanted: Iterable[Mapping[str, Any]]) -> None:
    """Make sure the platform has these endpoints: now, and after every reset.

    Each is {url, secret, connect?, enabled_events?}. One with the same URL and direction is
    updated, so that a restart with the same data does not deliver everything twice.
    """
    wanted = list(wanted)

    def configure() -> None:
        for endpoint in wanted:
            sandbox.execute(sandbox.platform, partial(_configure, wanted=endpoint))

    configure()
    sandbox.on_reset.append(configure)


def _configure(call: Call, wanted: Mapping[str, Any]) -> None:
    connect = bool(wanted.get("connect"))
    enabled_events = list(wanted.get("enabled_events", ["*"]))
    for known in call.select("webhook_endpoint"):
        if (known["url"], known["_connect"]) == (wanted["url"], connect):
            endpoint = call.require("webhook_endpoint", known["id"])
            endpoint["enabled_events"] = enabled_events
            endpoint["_secrets"] = [{"secret": wanted["secret"], "expires_at": None}]
            return
    _new_endpoint(
        call,
        url=wanted["url"],
        secret=wanted["secret"],
        connect=connect,
        enabled_events=enabled_events,
    )
