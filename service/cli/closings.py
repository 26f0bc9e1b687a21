"""``escrow closings``: how far the books are closed, and opening them after a clock was ahead."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import uuid4

import typer

from service.cli.operating import Reason
from service.cli.person import person
from service.cli.printing import AsJson, people, print_json
from service.cli.tables import print_table, table
from service.config import DatabaseRole, load_settings
from service.database import direct_connection, pooled_database
from service.domain import ids
from service.store.closings import Closed, discard_closings, list_closings

app = typer.Typer(help="How far the books are closed.", no_args_is_help=True)


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Up to when nothing is booked any more in each tenant's books, and how far they are final."""

    async def read() -> list[Closed]:
        async with pooled_database(load_settings(), DatabaseRole.READER) as pool:
            return await list_closings(pool)

    found = asyncio.run(read())
    if as_json:
        listed = [
            {
                "tenant": each.tenant_id,
                "closed_through": ids.moment_of(each.closed_through),
                "rolled_up_through": ids.moment_of(each.rolled_up_through),
                "due_time": each.due_at,
            }
            for each in found
        ]
        print_json({"closings": listed})
    elif found:
        rows = [
            {
                "tenant": each.tenant_id,
                "closed through": f"{ids.moment_of(each.closed_through)}",
                "rolled up through": f"{ids.moment_of(each.rolled_up_through)}",
            }
            for each in found
        ]
        print_table(table(rows))
    else:
        people.print("the books have not been closed yet")


@app.command()
def discard(
    reason: Reason,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Forgets how far the books of all tenants are closed, after a clock was ahead.

    Mend the clocks first. Nothing booked is touched; the worker closes and rolls up anew. Needs the
    login that migrates (ESCROW_DIRECT_DATABASE_URL): the service may not do this, so it is not
    asked. Who you are and why is kept all the same.
    """
    # Nobody has proven it: what the service proves is kept as "NAME for PERSON".
    caller, key = f"cli:{person()}", str(uuid4())
    if not yes:
        typer.confirm("What was read as final may change. Forget all closings?", abort=True)

    async def run() -> list[str]:
        async with direct_connection(load_settings()) as connection:
            return await discard_closings(connection, caller=caller, key=key, reason=reason)

    tenants = asyncio.run(run())
    if as_json:
        print_json({"tenants": tenants, "request_id": key})
    elif tenants:
        people.print(f"forgot the closings of {', '.join(tenants)}", markup=False)
    else:
        people.print("the books were not closed")
