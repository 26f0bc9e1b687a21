"""The shapes of Stripe's answers, and where those of two ends differ.

A shape is what JSON types each field of an answer has had, over all answers to one operation with
one status, and over all events of one type. Values are not compared.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stripe_sandbox.schemas import find_operation

Fields = Mapping[str, frozenset[str]]
Shapes = Mapping[str, Fields]

# The keys below these are the caller's or depend on the change.
OPAQUE = frozenset({"metadata", "previous_attributes"})
_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was answered; ``body`` is the answer's JSON."""

    method: str
    path: str
    status: int
    body: Any

    @property
    def label(self) -> str:
        operation = find_operation(self.method, self.path)
        path = operation.path if operation else self.path
        return f"{self.method} {path} -> {self.status}"


class Kind(StrEnum):
    """How a field differs. The last one is no fault: Stripe adds fields as it likes."""

    TYPE = "another type at Stripe"
    NOT_AT_STRIPE = "not at Stripe"
    ONLY_AT_STRIPE = "only at Stripe"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one operation's answer, or of one event."""

    where: str
    field: str
    kind: Kind
    detail: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether the sandbox promises what Stripe does not keep."""
        return self.kind is not Kind.ONLY_AT_STRIPE


def shapes_of(exchanges: Iterable[Exchange]) -> Shapes:
    """By operation and status, and by type of event."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for exchange in exchanges:
        for where, document in _documents(exchange):
            for field, kind in _fields(document, ""):
                found[where][field].add(kind)
    return {
        where: {field: frozenset(kinds) for field, kinds in fields.items()}
        for where, fields in found.items()
    }


def _documents(exchange: Exchange) -> Iterator[tuple[str, Any]]:
    """The answer; of a list of events the list without them, and each under its own type."""
    body = exchange.body
    events = _events(body)
    yield exchange.label, body if not events else {**body, "data": []}
    for event in events:
        yield f"event {event['type']}", event


def _events(body: Any) -> list[Any]:  # noqa: ANN401  JSON is any of its types
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list):
        return []
    return [each for each in data if isinstance(each, dict) and each.get("object") == "event"]


def _fields(value: Any, name: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401  likewise
    if isinstance(value, dict):
        yield name, "object"
        kind = value.get("object")
        if name and isinstance(kind, str):  # a charge in one place is no payout in another
            name = f"{name}<{kind}>"
            yield name, "object"
        for key, each in value.items():
            if key not in OPAQUE:
                yield from _fields(each, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        yield name, "list"
        for each in value:
            yield from _fields(each, f"{name}[]")
    else:
        yield name, _TYPES[type(value)]


def differences(stripe: Shapes, sandbox: Shapes) -> list[Difference]:
    """Of what both ends were asked for; a field that was null at one end says nothing."""
    found = []
    for where in sorted(stripe.keys() & sandbox.keys()):
        theirs, ours = stripe[where], sandbox[where]
        for field in sorted(theirs.keys() | ours.keys()):
            kind = _kind(field, theirs, ours)
            if kind is not None:
                found.append(Difference(where, field, kind, _detail(kind, theirs, ours, field)))
    return found


def _kind(field: str, theirs: Fields, ours: Fields) -> Kind | None:
    if field in theirs and field in ours:
        known, given = theirs[field] - {"null"}, ours[field] - {"null"}
        return Kind.TYPE if known and given and not given <= known else None
    one, other = (ours, theirs) if field in ours else (theirs, ours)
    if field.endswith(("[]", ">")) or "object" not in other.get(_parent(field), ()):
        return None  # the list was empty, or an object of this kind was not there
    return Kind.NOT_AT_STRIPE if one is ours else Kind.ONLY_AT_STRIPE


def _parent(field: str) -> str:
    return field.rpartition(".")[0]


def _detail(kind: Kind, theirs: Fields, ours: Fields, field: str) -> str:
    if kind is not Kind.TYPE:
        return ""
    there, here = (" or ".join(sorted(fields[field])) for fields in (theirs, ours))
    return f"{there}, here {here}"
