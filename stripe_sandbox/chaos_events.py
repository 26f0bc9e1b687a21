"""Chaos in events: some are not recorded at all, some are recorded with wrong copies."""

from stripe_sandbox.ids import new_id
from stripe_sandbox.state import State
from stripe_sandbox.store import StripeObject, Transaction, private_copy

OLDER_API_VERSION = "2024-06-20"


def events_to_record(
    state: State, transaction: Transaction, account: str, event: StripeObject
) -> list[StripeObject]:
    """The events to record for an account's new event: without chaos only the event itself."""
    chaos = state.chaos
    faults = chaos.event_faults(event)
    if "never_generated" in faults:
        chaos.done["never_generated"] += 1
        transaction.after_commit(lambda: chaos.never_generated.append((account, event)))
        return []
    recorded = [event]
    for kind in faults:
        wrong = _wrong_copy(transaction, account, kind, event)
        if wrong is not None:
            chaos.done[kind] += 1
            recorded.append(wrong)
    return recorded


def _wrong_copy(
    transaction: Transaction, account: str, kind: str, event: StripeObject
) -> StripeObject | None:
    changes: StripeObject = {}
    match kind:
        case "stale_snapshot":
            earlier = _snapshot_before(transaction, account, event)
            if earlier is None:
                return None
            changes = {"data": {"object": earlier}}
        case "wrong_livemode":
            changes = {"livemode": True}
        case "wrong_api_version":
            changes = {"api_version": OLDER_API_VERSION}
    wrong: StripeObject = private_copy({**event, **changes})
    return wrong | {"id": new_id("evt"), "pending_webhooks": 0}


def _snapshot_before(
    transaction: Transaction, account: str, event: StripeObject
) -> StripeObject | None:
    """The object in the last event about it that shows it differently."""
    shown = event["data"]["object"]
    name = (shown.get("object"), shown.get("id"))
    for earlier in transaction.newest_first(account, "event"):
        snapshot: StripeObject = earlier["data"]["object"]
        if (snapshot.get("object"), snapshot.get("id")) == name and snapshot != shown:
            return snapshot
    return None
