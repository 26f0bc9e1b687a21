"""What is told instead of an event when chaos strikes it: nothing, or strange events beside it."""

from typing import TYPE_CHECKING

from stripe_sandbox.ids import new_id
from stripe_sandbox.store import StripeObject, private_copy

if TYPE_CHECKING:
    from stripe_sandbox.call import Call

OLDER_API_VERSION = "2024-06-20"


def told_instead(call: "Call", event: StripeObject) -> list[StripeObject]:
    """The events to record for a fact; only `event` itself when nothing strikes."""
    chaos = call.sandbox.chaos
    struck = chaos.strikes_of(event)
    if "never_generated" in struck:
        chaos.done["never_generated"] += 1
        account = call.account
        call.transaction.after_commit(lambda: chaos.never_generated.append((account, event)))
        return []
    told = [event]
    for kind in struck:
        strange = _strange(call, kind, event)
        if strange is not None:
            chaos.done[kind] += 1
            told.append(strange)
    return told


def _strange(call: "Call", kind: str, event: StripeObject) -> StripeObject | None:
    changes: StripeObject = {}
    match kind:
        case "stale_snapshot":
            earlier = _snapshot_before(call, event)
            if earlier is None:
                return None
            changes = {"data": {"object": earlier}}
        case "wrong_livemode":
            changes = {"livemode": True}
        case "wrong_api_version":
            changes = {"api_version": OLDER_API_VERSION}
    strange: StripeObject = private_copy({**event, **changes})
    return strange | {"id": new_id("evt"), "pending_webhooks": 0}


def _snapshot_before(call: "Call", event: StripeObject) -> StripeObject | None:
    """The object as the last event about it showed it."""
    shown = event["data"]["object"]
    name = (shown.get("object"), shown.get("id"))
    for earlier in call.transaction.newest_first(call.account, "event"):
        snapshot: StripeObject = earlier["data"]["object"]
        if (snapshot.get("object"), snapshot.get("id")) == name and snapshot != shown:
            return snapshot
    return None
