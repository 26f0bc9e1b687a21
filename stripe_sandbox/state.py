"""The state of a sandbox: objects, time, the agenda, planned deliveries, faults.

State starts nothing by itself. Calls change it, `scheduler.py` runs what is due, and `sandbox.py`
connects it with the handlers.
"""

from typing import Any

from stripe_sandbox.agenda import Agenda
from stripe_sandbox.chaos import Chaos
from stripe_sandbox.clock import VirtualClock
from stripe_sandbox.deliveries import Deliveries
from stripe_sandbox.faults import Faults
from stripe_sandbox.idempotency import IdempotencyKeys
from stripe_sandbox.ids import token
from stripe_sandbox.keys import Keys
from stripe_sandbox.store import Json, Store
from stripe_sandbox.traffic import Traffic

# Facts about the sandbox itself are objects too; they belong to no account.
NO_ACCOUNT = ""
DEFAULT_CAPTURE_DELAY_S = 1.5


class State:
    """The state of one platform account and of all accounts connected to it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.public_url = ""
        self.capture_delay_s = DEFAULT_CAPTURE_DELAY_S
        self.unsupported_countries: frozenset[str] = frozenset()
        self.platform = self._remembered_platform()
        self.clock = VirtualClock(self._meta("clock").get("offset_s", 0.0))
        self.agenda = Agenda()
        self.faults = Faults()
        self.chaos = Chaos()
        self.traffic = Traffic()
        self.keys = Keys()
        self.idempotency = IdempotencyKeys(store, self.clock)
        self.deliveries = Deliveries(store, self.platform, self.clock, self.agenda, self.chaos)

    def remember_clock(self) -> None:
        """Keep how far the clock is ahead, for the next start."""
        self._write_meta("clock", offset_s=self.clock.offset_s)

    def clear(self) -> None:
        """Forget every object, task, delivery, key and fault; the platform keeps its id."""
        self.store.clear()
        self.agenda.clear()
        self.faults.clear()
        self.chaos.clear()
        self.traffic.clear()
        self.keys.clear()
        self.deliveries.held = False
        self.capture_delay_s = DEFAULT_CAPTURE_DELAY_S
        self.unsupported_countries = frozenset()
        self._write_meta("platform", account=self.platform)
        self.remember_clock()

    def _remembered_platform(self) -> str:
        account = self._meta("platform").get("account")
        if account is None:
            account = f"acct_1{token(15)}"
            self._write_meta("platform", account=account)
        return str(account)

    def _meta(self, name: str) -> dict[str, Any]:
        return self.store.read(NO_ACCOUNT, "_meta", name) or {}

    def _write_meta(self, name: str, **facts: Json) -> None:
        record = {"object": "_meta", "id": name, **facts}
        self.store.write({(NO_ACCOUNT, "_meta", name): record})
