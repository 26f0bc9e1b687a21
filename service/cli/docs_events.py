"""The catalogue of events as Markdown, its sentences from the contract's own comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from google.protobuf.descriptor import MethodDescriptor

from service.cli.docs_tables import markdown_document, markdown_table
from service.domain.event_types import OF_WORKERS
from service.operations.feed.types import OF_METHODS

CONTRACT = Path(__file__).parents[2] / "proto"
_METHOD = re.compile(r"((?:^ *//.*\n)+) *rpc (\w+)\(", re.MULTILINE)


@cache
def comments_of(file: str) -> Mapping[str, str]:
    """What the comment above each method of a .proto file says, by the method's name."""
    text = (CONTRACT / file).read_text("utf-8")
    return {
        name: " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        for comment, name in _METHOD.findall(text)
    }


def said_of(method: MethodDescriptor) -> str:
    """The first sentence of a method's comment."""
    comment = comments_of(method.containing_service.file.name)[method.name]
    return re.split(r"[.;] ", comment, maxsplit=1)[0].rstrip(".") + "."


def events() -> str:
    """The types of events: what each means, and what may change by it."""
    return markdown_document(
        "Events",
        "the contract and service/domain/event_types.py",
        "What `ListEvents`, `WatchEvents` and `WatchEscrow` tell: each operation is one event, and"
        " its type is what was done. `change.transitions` of an event says what went from which"
        " state to which; an id's first letters say what it is, and [states.md](states.md) which"
        " transitions there are.",
        "## What callers ask for",
        markdown_table(("type", "method", "it happened:"), _methods()),
        "## What the service does by itself",
        markdown_table(("type", "it happened:"), _workers()),
    )


def _methods() -> Iterator[tuple[str, str, str]]:
    for type_, method in sorted(OF_METHODS.items()):
        yield f"`{type_}`", method.name, said_of(method)


def _workers() -> Iterable[tuple[str, str]]:
    return ((f"`{type_}`", says) for type_, says in OF_WORKERS.items())
