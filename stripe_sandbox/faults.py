"""Faults armed by a test: the next matching requests fail in a chosen way.

latency                  answers late, holding the idempotency key meanwhile
cut_before_effect        the connection ends before anything is executed
cut_after_effect         executed and committed, then the connection ends inside the body
status                   answers `status` (409, 429 or 500) and executes nothing; 429 also to a
                         request whose key holds an answer
error_after_effect       executed and committed, but answers 500; the key holds the true answer
key_in_use               answers 409 as if the same request were in progress, and executes nothing;
                         for requests with an idempotency key
page_after_effect        executed and committed, then a proxy answers 200 with a page of its own
altered                  executed and committed, but the answer has the fields of `answer` instead,
                         as a broken proxy may answer, and Stripe does not
stored_error             answers 500 and stores that 500 under the key; `effect` says whether the
                         request was executed as well
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from stripe_sandbox.errors import parameter_invalid
from stripe_sandbox.ids import new_id
from stripe_sandbox.params import Params

KINDS = (
    "latency",
    "cut_before_effect",
    "cut_after_effect",
    "status",
    "error_after_effect",
    "page_after_effect",
    "altered",
    "key_in_use",
    "stored_error",
)
STATUSES = (409, 429, 500)


@dataclass
class Fault:
    """One armed fault, for `remaining` more requests."""

    kind: str
    method: str = "POST"
    path_prefix: str = "/"
    remaining: int = 1
    latency_ms: int = 0
    status: int = 500
    effect: bool = True
    answer: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: new_id("fault"))

    def matches(self, method: str, path: str) -> bool:
        """Whether it applies to this request."""
        return (
            self.remaining > 0
            and self.method in ("*", method)
            and path.startswith(self.path_prefix)
        )


class Faults:
    """The armed faults, in the order they were armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []

    def arm(self, params: Params) -> dict[str, Any]:
        """Arm one: kind, method ("*" for any), path_prefix, times, latency_ms, status, effect,
        answer.
        """
        kind = params.choice("kind", KINDS)
        status = params.integer("status", 500)
        if kind is None:
            params.require("kind")
        if status not in STATUSES:
            raise parameter_invalid("status", f"Invalid status: must be one of {STATUSES}")
        fault = Fault(
            kind=params.required_text("kind"),
            method=params.text("method", "POST") or "POST",
            path_prefix=params.text("path_prefix", "/") or "/",
            remaining=params.integer("times", 1) or 1,
            latency_ms=params.integer("latency_ms", 0) or 0,
            status=status,
            effect=params.boolean("effect", default=True),
            answer=dict(params.hash("answer")),
        )
        self._armed.append(fault)
        return asdict(fault)

    def take(self, method: str, path: str) -> Fault | None:
        """The first armed fault that matches, which counts as one use."""
        for fault in self._armed:
            if fault.matches(method, path):
                fault.remaining -= 1
                return fault
        return None

    def list(self) -> list[dict[str, Any]]:
        """All armed faults, used-up ones too."""
        return [asdict(fault) for fault in self._armed]

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()
