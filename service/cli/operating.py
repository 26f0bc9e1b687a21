"""What the commands of operators share. Those that read run the same operations as the RPCs, in
this process; those that change something call the service (see calling.py).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import uuid4

import typer
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich.markup import escape
from rich.table import Table

from escrow.v1.money_pb2 import Money
from service.cli.ages import age_of
from service.cli.printing import document_of, errors, people, print_json
from service.cli.reading import open_reader
from service.cli.tables import print_table, table
from service.domain.call import Call, Party
from service.domain.money import format_minor
from service.rpc.validate import compile_validator
from service.runtime import Runtime
from service.store.tenants import is_served

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

Answer = TypeVar("Answer", bound=Message)
Operation = Callable[[Runtime, Call, Any], Awaitable[Answer]]

Tenant = Annotated[str, typer.Option(help="Whose.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the operation.")]
RequestId = Annotated[
    str | None, typer.Option(help="A UUID that names this request; the same is not done twice.")
]
Escrow = Annotated[str, typer.Argument(help='"esc_...", or any name that leads to it.')]
Milestone = Annotated[str, typer.Argument(help='"mst_...", or its number: 1 is the first.')]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, or refused.")]
PageToken = Annotated[
    str, typer.Option(help="Go on from where a list ended: next_page_token of its answer.")
]
Everything = Annotated[bool, typer.Option("--all", help="Also what goes on by itself.")]


def call(operation: Operation[Answer], request: Message, *, tenant: str) -> Answer:
    """Runs an operation that only reads. What a tenant that was removed has left can be looked at.

    Raises:
        Refusal: it was refused.
    """

    async def run() -> Answer:
        compile_validator(request.DESCRIPTOR)(request)
        async with open_reader() as runtime:
            call_ = Call(tenant, "cli:reader", Party.OPERATOR)
            answer = await operation(runtime, call_, request)
            # After it: a refusal is the only line that is said.
            if not await is_served(runtime.pool, tenant):
                errors.print(f"nothing is here of a tenant {tenant!r}", markup=False)
            return answer

    return asyncio.run(run())


def new_key(request_id: str | None) -> str:
    return request_id or str(uuid4())


def show(answer: Message, *, as_json: bool, dry_run: bool = False) -> None:
    """One thing, a fact a line; of an answer with a list, that list as a table."""
    if as_json:
        print_json(document_of(answer) | ({"dry_run": True} if dry_run else {}))
        return
    if dry_run:
        people.print("dry run: nothing is written; it would be", style="yellow")
    for field, value in answer.ListFields():
        if field.name == "next_page_token":
            continue
        if field.message_type is None and not field.is_repeated:
            people.print(f"{field.name}: {value}", markup=False, soft_wrap=True)
        elif field.message_type is not None and not field.is_repeated:
            print_facts(value)
    for name, rows in _lists(answer):
        _print_list(name, table_of(rows) if rows else None)
    _print_end(answer)


def show_list(
    answer: Message,
    columns: Sequence[str],
    *,
    as_json: bool,
    more: Callable[[Any, datetime], dict[str, str]] = lambda _, __: {},
) -> None:
    """An answer with a list, for people with these columns, how old each of it is, and what
    ``more`` says of it now.
    """
    if as_json:
        print_json(document_of(answer))
        return
    ((name, messages),) = _lists(answer)
    now = datetime.now(UTC)
    rows = [
        row_of(each, columns)
        | more(each, now)
        | {"age": age_of(each.create_time.ToDatetime(UTC), now)}  # type: ignore[attr-defined]  # what is listed has one
        for each in messages
    ]
    _print_list(name, table(rows, right=_amounts(messages)) if rows else None)
    _print_end(answer)


def row_of(thing: Message, columns: Sequence[str]) -> dict[str, str]:
    """Some of its fields as texts."""
    return {name: text_of(thing, name, getattr(thing, name)) for name in columns}


def _amounts(messages: Sequence[Message]) -> list[str]:
    fields = messages[0].DESCRIPTOR.fields if messages else ()
    return [each.name for each in fields if each.message_type is Money.DESCRIPTOR]


def _print_list(name: str, rows: Table | None) -> None:
    if rows is not None:
        print_table(rows)
    else:
        people.print(f"no {name} wait", markup=False)


def _print_end(answer: Message) -> None:
    if damaged := getattr(answer, "unreadable", None):
        people.print(f"damaged, see escrow verify: {', '.join(damaged)}", style="red", markup=False)
    if token := getattr(answer, "next_page_token", ""):
        people.print(f"there are more: --page-token {token}", markup=False, soft_wrap=True)


def _lists(answer: Message) -> list[tuple[str, list[Message]]]:
    fields = answer.DESCRIPTOR.fields
    lists = [f for f in fields if f.is_repeated and f.message_type is not None]
    return [(f.name, list(getattr(answer, f.name))) for f in lists]


def print_facts(thing: Message) -> None:
    for field, value in thing.ListFields():
        if not field.is_repeated:
            text = text_of(thing, field.name, value)
            people.print(f"{field.name}: {text}", markup=False, soft_wrap=True)


def table_of(rows: list[Message]) -> Table:
    """The columns that any of the rows fills."""
    filled = {field.name for row in rows for field, _ in row.ListFields()}
    names = [field.name for field in rows[0].DESCRIPTOR.fields if field.name in filled]
    made = Table(*names, box=None, pad_edge=False)
    for row in rows:
        made.add_row(*map(escape, row_of(row, names).values()))
    return made


def text_of(thing: Message, name: str, value: Any) -> str:  # noqa: ANN401  any field's
    field = thing.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated and field.message_type is not None:
        return "; ".join(_parts(each) for each in value)
    if isinstance(value, Money):
        return format_minor(value.amount_minor, value.currency) if value.currency else ""
    if isinstance(value, Timestamp):
        return f"{value.ToDatetime(UTC):%Y-%m-%d %H:%M:%S} UTC" if value.seconds else ""
    if field.enum_type is not None:
        prefix = f"{_CAPITAL.sub('_', field.enum_type.name).upper()}_"
        return str(field.enum_type.values_by_number[value].name).removeprefix(prefix)
    return _parts(value) if isinstance(value, Message) else str(value)


def _parts(thing: Message) -> str:
    parts = ((each.name, text_of(thing, each.name, inner)) for each, inner in thing.ListFields())
    return ", ".join(f"{name} {text}" for name, text in parts)
