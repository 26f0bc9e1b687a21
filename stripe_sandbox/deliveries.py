"""Planning the delivery of events: which endpoints get one, and when.

Every (event, endpoint) pair is a `_delivery` object with its attempts, created in the transaction
that records the event. `webhooks.py` sends what is due. While delivery is held, new deliveries wait
until a control releases them, in any order it chooses.
"""

from stripe_sandbox.agenda import Agenda
from stripe_sandbox.chaos import NORMAL_DELIVERY, Chaos, DeliveryPlan
from stripe_sandbox.clock import VirtualClock
from stripe_sandbox.ids import new_id
from stripe_sandbox.store import Store, StripeObject, Transaction


class Deliveries:
    """The deliveries of one sandbox."""

    def __init__(
        self, store: Store, platform: str, clock: VirtualClock, agenda: Agenda, chaos: Chaos
    ) -> None:
        self._store = store
        self._platform = platform
        self._clock = clock
        self._agenda = agenda
        self._chaos = chaos
        self.held = False

    def log(self) -> list[StripeObject]:
        """All deliveries with their attempts, newest first."""
        return list(self._store.newest_first(self._platform, "_delivery"))

    def plan(self, transaction: Transaction, account: str, event: StripeObject) -> None:
        """Create the deliveries of an account's event within the transaction that records it."""
        plan = self._chaos.delivery_of(event)
        for owner, endpoint in self._endpoints_for(transaction, account, event):
            event["pending_webhooks"] += 1
            for _ in range(plan.copies):
                self._create(transaction, account, event, owner, endpoint, plan)

    def redeliver(
        self, transaction: Transaction, account: str, event: StripeObject
    ) -> list[StripeObject]:
        """Send an event once more to every endpoint that wants it."""
        return [
            self._create(transaction, account, event, owner, endpoint, NORMAL_DELIVERY)
            for owner, endpoint in self._endpoints_for(transaction, account, event)
        ]

    def queue(self, delivery: StripeObject) -> None:
        """Put a pending delivery on the agenda."""
        if delivery["status"] == "pending":
            key = (self._platform, "_delivery", delivery["id"])
            self._agenda.add(delivery["next_attempt_at"], key)

    def _create(
        self,
        transaction: Transaction,
        account: str,
        event: StripeObject,
        owner: str,
        endpoint: StripeObject,
        plan: DeliveryPlan,
    ) -> StripeObject:
        status = "held" if self.held else "pending"
        delivery = transaction.add(
            self._platform,
            {
                "id": new_id("whd"),
                "object": "_delivery",
                "event": event["id"],
                "event_type": event["type"],
                "account": account,
                "endpoint": endpoint["id"],
                "endpoint_account": owner,
                "url": endpoint["url"],
                "status": "dropped" if plan.dropped else status,
                "attempts": [],
                "created": self._clock.now(),
                "next_attempt_at": self._clock.now() + plan.delay_s,
            },
        )
        transaction.after_commit(lambda: self.queue(delivery))
        return delivery

    def _endpoints_for(
        self, transaction: Transaction, account: str, event: StripeObject
    ) -> list[tuple[str, StripeObject]]:
        """Endpoints of the account itself, and the platform's Connect endpoints for the others."""
        wanted = [
            (account, endpoint)
            for endpoint in transaction.newest_first(account, "webhook_endpoint")
            if not endpoint["_connect"] and _wants(endpoint, event)
        ]
        if account != self._platform:
            wanted += [
                (self._platform, endpoint)
                for endpoint in transaction.newest_first(self._platform, "webhook_endpoint")
                if endpoint["_connect"] and _wants(endpoint, event)
            ]
        return wanted


def _wants(endpoint: StripeObject, event: StripeObject) -> bool:
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or event["type"] in enabled)
