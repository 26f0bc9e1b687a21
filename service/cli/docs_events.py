"""The catalogue of events as Markdown, its sentences from the contract's own comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from escrow.v1 import escrow_service_pb2, event_service_pb2
from service.access import access_of
from service.cli.docs_tables import markdown_document, markdown_table
from service.domain import ids
from service.domain.call import Party
from service.domain.event_types import ALSO_OF_WORKERS, OF_WORKERS
from service.domain.states.approval import APPROVAL
from service.domain.states.chargeback import CHARGEBACK
from service.domain.states.effect import EFFECT
from service.domain.states.machine import Machine
from service.domain.states.machines import MACHINES
from service.domain.states.payee import PAYEE
from service.operations.feed.types import OF_METHODS
from service.rpc.identity.caller import FROM_OUTSIDE

CONTRACT = Path(__file__).parents[2] / "proto"
_METHOD = re.compile(r"((?:^ *//.*\n)+) *rpc (\w+)\(", re.MULTILINE)
_MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"((?:^ *//.*\n)+) *[\w. ]+ (\w+) = \d+", re.MULTILINE)
TOLD = (
    event_service_pb2.Event.DESCRIPTOR,
    escrow_service_pb2.TimelineEntry.DESCRIPTOR,
    escrow_service_pb2.Transition.DESCRIPTOR,
    escrow_service_pb2.MilestoneChange.DESCRIPTOR,
)
"""The messages that an event consists of."""
UNTOLD = (EFFECT, PAYEE, APPROVAL)
"""Of these nothing tells in which state they begin."""


@cache
def comments_of(file: str) -> Mapping[str, str]:
    """What the comment above each method of a .proto file says, by the method's name."""
    text = (CONTRACT / file).read_text("utf-8")
    return {name: _sentences(comment) for comment, name in _METHOD.findall(text)}


@cache
def fields_of(file: str) -> Mapping[tuple[str, str], str]:
    """What the comment above each field says, by its message and its own name."""
    text = (CONTRACT / file).read_text("utf-8")
    return {
        (message, name): _sentences(comment)
        for message, body in _MESSAGE.findall(text)
        for comment, name in _FIELD.findall(body)
    }


def _sentences(comment: str) -> str:
    return " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())


def said_of(method: MethodDescriptor) -> str:
    """The first sentence of a method's comment."""
    comment = comments_of(method.containing_service.file.name)[method.name]
    return re.split(r"[.;] ", comment, maxsplit=1)[0].rstrip(".") + "."


def events() -> str:
    """The types of events: what each means, who causes it, what it tells, and what may move."""
    return markdown_document(
        "Events",
        "the contract, service/domain/event_types.py and service/domain/states/",
        "What `ListEvents`, `WatchEvents` and `WatchEscrow` tell: each operation is one event, and"
        " its type is what was done. Every field of an event is set where it has something to say:"
        " see [Fields](#fields). `change.transitions` says what went from which state to which; an"
        " id's first letters say what it is, and [What moves](#what-moves) where it can go from"
        " there, and by whose word. A consumer that acts on states rather than on types reads the"
        " transitions only.",
        "## What callers ask for",
        "By: who may be `change.actor`, as far as the contract goes; the state may allow fewer."
        " About: the kinds of things that its request names and its"
        " answer shows; their ids are among the subjects of `change.transitions` where their states"
        " have changed.",
        markdown_table(("type", "method", "by", "about", "it happened:"), _methods()),
        "## What the service does by itself",
        markdown_table(("type", "it happened:"), _workers()),
        "## Fields",
        *(part for message in TOLD for part in _fields(message)),
        "## What moves",
        "Of each kind of thing, whose id begins so: from which state it can go to which, and by"
        " whose word. An empty `from` is of a thing that is new. One thing can"
        " move twice in one event, as a release that is new and IN_FLIGHT at once: take the"
        " transitions in their order. [states.md](states.md) names the edges.",
        *(part for machine in MACHINES for part in _moves(machine)),
    )


def _methods() -> Iterator[tuple[str, ...]]:
    for type_, method in sorted(OF_METHODS.items()):
        by, about = ", ".join(sorted(_actors(type_, method))), ", ".join(_about(method))
        yield f"`{type_}`", method.name, by, about, said_of(method)


def _actors(type_: str, method: MethodDescriptor) -> Iterable[str]:
    by_itself = {Party.STRIPE} if type_ in ALSO_OF_WORKERS else set()
    return access_of(method).parties & frozenset(FROM_OUTSIDE) | by_itself


def _about(method: MethodDescriptor) -> list[str]:
    """The kinds of things in its request and its answer, each once."""
    asked = (f.name.removesuffix("_id") for f in method.input_type.fields if _is_id(f))
    answered = (f.message_type for f in method.output_type.fields if f.message_type)
    named = [*asked, *(_in_words(message.name) for message in answered if _has_id(message))]
    return [*dict.fromkeys(named)]


def _is_id(field: FieldDescriptor) -> bool:
    return field.name.endswith("_id") and field.name != "request_id"


def _has_id(message: Descriptor) -> bool:
    return "id" in message.fields_by_name


def _in_words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _workers() -> Iterable[tuple[str, str]]:
    return ((f"`{type_}`", says) for type_, says in {**ALSO_OF_WORKERS, **OF_WORKERS}.items())


def _fields(message: Descriptor) -> Iterator[str]:
    yield f"### {message.name}"
    says = fields_of(message.file.name)
    yield markdown_table(
        ("field", "it is"),
        ((f"`{field.name}`", says[message.name, field.name]) for field in message.fields),
    )


def _moves(machine: Machine[Any, Any]) -> Iterator[str]:
    name = re.split(r"\W", machine.title, maxsplit=1)[0]
    yield f"### {name}: `{getattr(ids, name.upper())}_...`"
    by: dict[tuple[str, str], set[str]] = {("", first): set() for first in first_states(machine)}
    for (before, _), edge in machine.edges.items():
        if before is not edge.to:
            by.setdefault((before, edge.to), set()).update(edge.parties)
    moves = ((before, after, ", ".join(sorted(who))) for (before, after), who in by.items())
    yield markdown_table(("from", "to", "by"), moves)


def first_states(machine: Machine[Any, Any]) -> list[str]:
    """In which a new one is told to be: the first of its table, but a chargeback is where Stripe
    says.
    """
    if machine in UNTOLD:
        return []
    states = dict.fromkeys(before for before, _ in machine.edges)
    return [*states] if machine is CHARGEBACK else [next(iter(states))]
