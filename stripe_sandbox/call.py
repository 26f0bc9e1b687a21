"""The context a handler works in: who acts, with what parameters, in which transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from stripe_sandbox import events, lists
from stripe_sandbox.errors import resource_missing
from stripe_sandbox.params import Params
from stripe_sandbox.store import Json, StripeObject, Transaction

if TYPE_CHECKING:
    from stripe_sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class Cause:
    """What set a change off, as events tell it; both are None when it was not an API request."""

    request_id: str | None = None
    idempotency_key: str | None = None


NO_REQUEST = Cause()


@dataclass
class Call:
    """One request, task or control in progress, acting on one account.

    Everything happens on `account`: the platform, or the connected account that the header
    Stripe-Account names. `on` gives the same transaction on another account.
    """

    sandbox: "Sandbox"
    transaction: Transaction
    account: str
    params: Params = field(default_factory=lambda: Params({}))
    path: Mapping[str, str] = field(default_factory=dict)
    cause: Cause = NO_REQUEST

    @property
    def now(self) -> int:
        """The virtual time in whole Unix seconds, for `created` and its like."""
        return int(self.sandbox.clock.now())

    @property
    def on_platform(self) -> bool:
        """Whether the platform itself acts."""
        return self.account == self.sandbox.platform

    def on(self, account: str) -> "Call":
        """The same transaction and cause, acting on another account."""
        return replace(self, account=account)

    def find(self, kind: str, object_id: str) -> StripeObject | None:
        """The working copy of an object of this account, or None."""
        return self.transaction.get(self.account, kind, object_id)

    def require(self, kind: str, object_id: str, param: str = "id") -> StripeObject:
        """The working copy of an object of this account; 404 resource_missing without one."""
        found = self.find(kind, object_id)
        if found is None:
            raise resource_missing(kind, object_id, param)
        return found

    def add(self, obj: StripeObject) -> StripeObject:
        """Create an object (with `object` and `id`) on this account."""
        return self.transaction.add(self.account, obj)

    def remove(self, kind: str, object_id: str) -> None:
        """Delete an object of this account."""
        self.transaction.delete(self.account, kind, object_id)

    def select(
        self, kind: str, where: Callable[[StripeObject], bool] = lambda _: True
    ) -> list[StripeObject]:
        """This account's objects of a kind, newest first: look, or `find` one to change it."""
        return [obj for obj in self.transaction.newest_first(self.account, kind) if where(obj)]

    def page(
        self, kind: str, where: Callable[[StripeObject], bool] = lambda _: True
    ) -> StripeObject:
        """The answer of a list operation: cursors, limit and `created` are read from params."""
        return lists.page(self.params, self.request_path, self.select(kind, where))

    @property
    def request_path(self) -> str:
        """The path of the request, as list envelopes repeat it in `url`."""
        return self.path.get("", "/")

    def emit(
        self, event_type: str, obj: StripeObject, before: StripeObject | None = None
    ) -> StripeObject:
        """Record an event with a snapshot of `obj` as it is now, and have it delivered.

        `before` (a `private_copy` taken before the change) yields `previous_attributes`.
        """
        return events.emit(self, event_type, obj, before)

    def schedule(self, delay_s: float, task: str, **arguments: Json) -> StripeObject:
        """Run a registered task on this account after `delay_s` of virtual time."""
        return self.sandbox.scheduler.add(self, delay_s, task, arguments)
