"""What a module registers: API operations, controls, tasks, reactions, expandable fields.

Each resource module has one `registry` and decorates its functions with it; `app.py` holds the
flat list of all registries. Handlers are plain synchronous functions of a `Call`: each runs to
its end in one transaction, so no other request sees half of its changes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stripe_sandbox.call import Call, Reaction

Handler = Callable[[Call], dict[str, Any]]
Task = Callable[..., None]
Expansion = Callable[[Call, dict[str, Any]], Any]


@dataclass(frozen=True)
class Operation:
    """One method of one path, e.g. POST /v1/payment_intents/{id}/confirm."""

    method: str
    path: str
    handler: Handler


@dataclass
class Registry:
    """The contributions of one module, or of all of them once merged."""

    operations: list[Operation] = field(default_factory=list)
    tasks: dict[str, Task] = field(default_factory=dict)
    expansions: dict[tuple[str, str], Expansion] = field(default_factory=dict)
    reactions: list[tuple[str, Reaction]] = field(default_factory=list)
    controls: list[Operation] = field(default_factory=list)

    def get(self, path: str) -> Callable[[Handler], Handler]:
        """Declare GET `path` of the API."""
        return self._operation("GET", path, self.operations)

    def post(self, path: str) -> Callable[[Handler], Handler]:
        """Declare POST `path` of the API."""
        return self._operation("POST", path, self.operations)

    def delete(self, path: str) -> Callable[[Handler], Handler]:
        """Declare DELETE `path` of the API."""
        return self._operation("DELETE", path, self.operations)

    def control(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """Declare a control under /_sandbox; it runs on the platform, its body is JSON."""
        return self._operation(method, path, self.controls)

    def task(self, name: str) -> Callable[[Task], Task]:
        """Declare what `call.schedule(seconds, name, **arguments)` runs: f(call, **arguments)."""

        def register(task: Task) -> Task:
            self.tasks[name] = task
            return task

        return register

    def expansion(self, kind: str, name: str) -> Callable[[Expansion], Expansion]:
        """Declare a field that exists only when expanded, such as a charge's `refunds`."""

        def register(expansion: Expansion) -> Expansion:
            self.expansions[kind, name] = expansion
            return expansion

        return register

    def reaction(self, *event_types: str) -> Callable[[Reaction], Reaction]:
        """Declare what follows from events, in their transaction: f(call, object of the event)."""

        def register(reaction: Reaction) -> Reaction:
            self.reactions += [(event_type, reaction) for event_type in event_types]
            return reaction

        return register

    def merge(self, other: "Registry") -> None:
        """Take over everything another registry declares."""
        self.operations += other.operations
        self.tasks |= other.tasks
        self.expansions |= other.expansions
        self.reactions += other.reactions
        self.controls += other.controls

    @staticmethod
    def _operation(method: str, path: str, into: list[Operation]) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            into.append(Operation(method, path, handler))
            return handler

        return register
