"""``escrow log`` and ``escrow watch``: what happened in a tenant, and what happens now."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Annotated

import typer
from google.protobuf.message import Message

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import event_service_pb2 as feed_pb
from service.cli.named import find_escrow_named
from service.cli.operating import Tenant, call, text_of
from service.cli.printing import AsJson, as_text, document_of, errors, people, print_json
from service.cli.reading import open_reader
from service.cli.tables import print_table, table
from service.domain import ids
from service.domain.call import Call, Party
from service.domain.errors import DatabaseUnavailable
from service.operations.escrows.watch_escrow import watch_escrow
from service.operations.feed.list_events import list_events
from service.operations.feed.watch_events import watch_events
from service.rpc.validate import compile_validator
from service.runtime import Runtime
from service.store.escrows import find_versions

PAGE = 200
_VERSION = re.compile(r"[0-9]{1,18}")

Escrow = Annotated[
    str, typer.Argument(help='"esc_...", or any name that leads to it; everything without it.')
]
After = Annotated[str, typer.Option(help="Go on after this cursor.")]
Types = Annotated[
    list[str] | None, typer.Option("--type", help="Only these: docs/generated/events.md.")
]


def log(
    escrow: Escrow = "",
    tenant: Tenant = "default",
    after: After = "",
    types: Types = None,
    *,
    as_json: AsJson = False,
) -> None:
    """What happened, oldest first, with the cursor to go on from; 200 at most."""
    request = feed_pb.ListEventsRequest(page_size=PAGE, after=after, types=types)
    if escrow:
        request.escrow_id = asyncio.run(_escrow_id(tenant, escrow))
    answer = call(list_events, request, tenant=tenant)
    if as_json:
        print_json(document_of(answer))
        return
    if answer.events:
        print_table(table([_row(event) for event in answer.events], right=("position",)))
    else:
        people.print("nothing happened after it" if after else "nothing happened yet")
    word = "to see what happens next" if answer.at_end else "there is more"
    people.print(f"{word}: --after {answer.cursor}", markup=False, soft_wrap=True)


def watch(
    escrow: Escrow = "",
    tenant: Tenant = "default",
    after: Annotated[
        str, typer.Option(help="After this cursor; of an escrow, after this version.")
    ] = "",
    types: Types = None,
    *,
    from_beginning: Annotated[bool, typer.Option(help="All that happened first.")] = False,
    as_json: AsJson = False,
) -> None:
    """What happens from now on, a line each, until it is interrupted. It reads the database.

    With --json each line is one object: an event, or with an escrow an entry of its timeline. While
    the database is away it waits, and says so once on standard error.
    """
    if escrow and types:
        raise typer.BadParameter("is for all of a tenant, not for one escrow", param_hint="--type")
    if escrow and after and not _VERSION.fullmatch(after):
        raise typer.BadParameter("must be a version of the escrow", param_hint="--after")

    async def run() -> None:
        call_ = Call(tenant, "cli:reader", Party.OPERATOR)
        async with open_reader(logs=False) as runtime:
            runtime.positions.on_trouble = runtime.versions.on_trouble = partial(
                _say_trouble, as_json=as_json
            )
            if escrow:
                following = _changes(runtime, call_, escrow, after, from_beginning)
            else:
                request = feed_pb.WatchEventsRequest(
                    after=after, from_beginning=from_beginning, types=types
                )
                following = _events(runtime, call_, request)
            async with contextlib.aclosing(following):
                async for message, line in following:
                    if as_json:
                        print_json(document_of(message))
                    else:
                        people.print(line, markup=False, soft_wrap=True)

    asyncio.run(run())


def _say_trouble(cause: Exception | None, *, as_json: bool) -> None:
    if cause is None:
        line = "the database answers again"
    elif isinstance(cause, DatabaseUnavailable):
        line = "the database does not answer; trying again"
    else:
        line = f"what happens cannot be read ({cause}); trying again"
    errors.print(as_text({"notice": line}) if as_json else line, markup=False, soft_wrap=True)


async def _escrow_id(tenant: str, name: str) -> str:
    async with open_reader() as runtime, runtime.pool.acquire() as connection:
        return ids.show(ids.ESCROW, await find_escrow_named(connection, tenant, name))


async def _events(
    runtime: Runtime, call_: Call, request: feed_pb.WatchEventsRequest
) -> AsyncGenerator[tuple[Message, str], None]:
    compile_validator(request.DESCRIPTOR)(request)
    async with contextlib.aclosing(watch_events(runtime, call_, request)) as messages:
        async for message in messages:
            for event in message.events:
                yield event, f"{event.position}  {_line(event.change, event.escrow_id)}"


async def _changes(
    runtime: Runtime, call_: Call, name: str, after: str, from_beginning: bool
) -> AsyncGenerator[tuple[Message, str], None]:
    async with runtime.pool.acquire() as connection:
        escrow_id = await find_escrow_named(connection, call_.tenant_id, name)
    key = call_.tenant_id, escrow_id
    newest = (await find_versions(runtime.pool, [key])).get(key, 0)
    version = int(after) if after else 0 if from_beginning else newest
    request = pb.WatchEscrowRequest(
        escrow_id=ids.show(ids.ESCROW, escrow_id), after_version=version
    )
    async with contextlib.aclosing(watch_escrow(runtime, call_, request)) as messages:
        async for message in messages:
            for entry in message.entries:
                yield entry, f"{entry.version}  {_line(entry, '')}"


def _line(change: pb.TimelineEntry, escrow_id: str) -> str:
    what = ", ".join(_moves(change.transitions))
    parts = (_time(change), change.operation, change.actor, escrow_id, what, change.note)
    return "  ".join(part for part in parts if part)


def _row(event: feed_pb.Event) -> dict[str, str]:
    change = event.change
    return {
        "position": str(event.position),
        "time": _time(change),
        "type": "(damaged, see escrow verify)" if event.unreadable else event.type,
        "escrow": event.escrow_id,
        "actor": change.actor,
        "caller": change.caller,
        "changes": "\n".join(_moves(change.transitions)),
        "note": change.note,
    }


def _moves(transitions: Sequence[pb.Transition]) -> list[str]:
    return [f"{t.subject}: {getattr(t, 'from') or '-'} -> {t.to}" for t in transitions]


def _time(change: pb.TimelineEntry) -> str:
    return text_of(change, "time", change.time)
