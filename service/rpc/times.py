"""Times in requests, cut to what PostgreSQL keeps: microseconds.

It is done before a request is hashed, so that a client who sends a time back as it was told asks
for the same thing, and what is stored is what is answered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from service.rpc.contract import TIMESTAMP

Truncate: TypeAlias = Callable[[Message], None]
"""Cuts every time in a request, in place."""

_Held = dict[str, "Truncate | None"]  # by message: a message may contain itself


def compile_truncation(message: Descriptor) -> Truncate | None:
    """Makes it for one request type; None where there is no time to cut."""
    return _truncation(message, {})


def _truncation(message: Descriptor, held: _Held) -> Truncate | None:
    if message.full_name == TIMESTAMP:
        return _cut
    if message.full_name not in held:
        held[message.full_name] = None
        fields = [(field, _of_field(field, held)) for field in message.fields]
        steps = [_step(field, truncate) for field, truncate in fields if truncate is not None]
        if steps:
            held[message.full_name] = lambda request: _each(steps, request)
    return held[message.full_name]


def _of_field(field: FieldDescriptor, held: _Held) -> Truncate | None:
    return None if field.message_type is None else _truncation(field.message_type, held)


def _step(field: FieldDescriptor, truncate: Truncate) -> Truncate:
    name = field.name
    if field.is_repeated:

        def truncate_all(message: Message) -> None:
            for item in getattr(message, name):
                truncate(item)

        return truncate_all

    def truncate_one(message: Message) -> None:
        if message.HasField(name):
            truncate(getattr(message, name))

    return truncate_one


def _each(steps: list[Truncate], message: Message) -> None:
    for step in steps:
        step(message)


def _cut(time: Any) -> None:  # noqa: ANN401  a Timestamp
    time.nanos -= time.nanos % 1000
