"""The context a handler works in: the acting account, parameters and transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from stripe_sandbox import events, lists
from stripe_sandbox.errors import resource_missing
from stripe_sandbox.events import NO_REQUEST, Cause
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params
from stripe_sandbox.state import State
from stripe_sandbox.store import Json, StripeObject, Transaction

Answer = TypeVar("Answer")
# What follows from an event, in its transaction: f(call, object of the event).
Reaction = Callable[["Call", StripeObject], None]


@dataclass
class Call:
    """One request, task or control in progress, acting on one account.

    Everything happens on `account`: the platform, or the connected account that the header
    Stripe-Account names. `on` gives the same transaction on another account.
    """

    state: State
    reactions: Sequence[tuple[str, Reaction]]
    transaction: Transaction
    account: str
    params: Params = field(default_factory=lambda: Params({}))
    path: Mapping[str, str] = field(default_factory=dict)
    cause: Cause = NO_REQUEST

    @property
    def now(self) -> int:
        """The virtual time in whole Unix seconds, for `created` and its like."""
        return int(self.state.clock.now())

    @property
    def on_platform(self) -> bool:
        """Whether the platform itself acts."""
        return self.account == self.state.platform

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
        """This account's objects of a kind, newest first; `find` one to change it."""
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
        event = events.new_event(event_type, obj, before, self.now, self.cause)
        events.emit(self.state, self.transaction, self.account, event)
        for reacts_to, reaction in self.reactions:
            if reacts_to == event_type:
                reaction(self, obj)
        return event

    def schedule(self, delay_s: float, task: str, **arguments: Json) -> StripeObject:
        """Run a registered task on this account after `delay_s` of virtual time."""
        scheduled = self.add(
            {
                "id": new_id("task"),
                "object": "_task",
                "due": self.state.clock.now() + delay_s,
                "name": task,
                "arguments": arguments,
            }
        )
        key = (self.account, "_task", scheduled["id"])
        self.transaction.after_commit(lambda: self.state.agenda.add(scheduled["due"], key))
        return scheduled


def execute(
    state: State,
    reactions: Sequence[tuple[str, Reaction]],
    account: str,
    action: Callable[[Call], Answer],
    *,
    params: Mapping[str, Any] | None = None,
    path: Mapping[str, str] | None = None,
) -> Answer:
    """Run an action in a transaction of its own; an exception discards its changes."""
    transaction = state.store.begin()
    answer = action(Call(state, reactions, transaction, account, Params(params or {}), path or {}))
    transaction.commit()
    return answer
