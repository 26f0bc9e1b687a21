"""How commands speak: to people by rich, to programs by one JSON object on standard output.

Programs get the names of the contract (``payment_id``, ``create_time``), whether a message of it is
shown or something that only the command line has. Lists stand under their name, never bare, and are
there when they are empty. Amounts are JSON numbers, in minor units, with ``currency`` beside them;
times are UTC (RFC 3339, "Z").
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


class ReaderGone(Exception):
    """Whoever read along has gone, as ``| head`` does: nobody is left to be told anything."""


class OutputFailed(Exception):
    """What was to be said cannot be written, to a full disk say. The message is one line."""

    def __init__(self, problem: OSError) -> None:
        super().__init__(f"the output cannot be written: {problem.strerror or problem}")


class Voice(Console):
    """Raises ReaderGone, where rich would exit with 1, and OutputFailed."""

    def on_broken_pipe(self) -> None:
        raise ReaderGone

    def print(self, *what: Any, **how: Any) -> None:  # noqa: ANN401  as rich takes it
        try:
            super().print(*what, **how)
        except OSError as problem:  # else a caller would blame the database for it
            raise OutputFailed(problem) from problem


_WIDTH = None if sys.stdout.isatty() else 140  # a file or a pipe has no width of its own
people = Voice(highlight=False, width=_WIDTH)
errors = Voice(highlight=False, stderr=True)

_WHOLE_NUMBERS = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


def print_json(value: Mapping[str, Any]) -> None:
    """One line, so that it can be read line by line; what JSON does not know is a string."""
    write(f"{as_text(value)}\n")


async def print_json_list(
    name: str,
    items: AsyncIterator[Mapping[str, Any]],
    *,
    before: Mapping[str, Any],
    after: Callable[[], Mapping[str, Any]] = dict,
) -> None:
    """One object with a list of any length, which is never all in memory. ``after`` is asked for
    what is known when the list has ended.
    """
    separator = f"{as_text(before)[:-1]}, {json.dumps(name)}: ["
    async for item in items:
        write(f"{separator}{as_text(item)}")
        separator = ", "
    opened = separator if separator != ", " else ""
    rest = as_text(after())[1:-1]
    write(f"{opened}]{f', {rest}' if rest else ''}}}\n")


def write(text: str) -> None:
    """Raises ReaderGone, OutputFailed."""
    with writing():
        sys.stdout.write(text)
        if text.endswith("\n"):
            sys.stdout.flush()


@contextmanager
def writing() -> Iterator[None]:
    """Around what writes to standard output itself. Raises ReaderGone, OutputFailed."""
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as problem:
        raise OutputFailed(problem) from problem


def as_text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, default=_text, ensure_ascii=False)


def document_of(message: Message) -> dict[str, Any]:
    """A message of the contract for a program, every list in it, and amounts as numbers.

    Protobuf's own JSON writes 64-bit integers as strings; it reads both.
    """
    document = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return _with_numbers(message.DESCRIPTOR, document)


def _with_numbers(
    descriptor: Any,  # noqa: ANN401 - protobuf has two classes of it
    document: dict[str, Any],
) -> dict[str, Any]:
    for field in descriptor.fields:
        value = document.get(field.name)
        if value is None:
            continue
        if field.cpp_type in _WHOLE_NUMBERS:
            document[field.name] = [*map(int, value)] if field.is_repeated else int(value)
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                if isinstance(each, dict):  # a Timestamp is a text
                    _with_numbers(field.message_type, each)
    return document


def _text(value: Any) -> str:  # noqa: ANN401 - times, UUIDs and decimals alike
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
