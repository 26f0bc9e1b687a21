"""``escrow deadlines``: what was put off, and money that nears Stripe's limit."""

from __future__ import annotations

import asyncio
from typing import Any

import typer

from service.cli.named import check_deadline_id
from service.cli.operating import PageToken, Tenant
from service.cli.printing import AsJson, people, print_json
from service.cli.tables import print_table, table
from service.config import DatabaseRole, load_settings
from service.database import pooled_database
from service.domain import ids
from service.store.balances import FIRST
from service.store.for_operators import OpenDeadline, list_deadlines

MOST = 200

app = typer.Typer(help="What happens by itself when its time has come.", no_args_is_help=True)


@app.command("list")
def list_(
    tenant: Tenant = "default", page_token: PageToken = "", *, as_json: AsJson = False
) -> None:
    """Those that were put off, and why; and money that Stripe lets nobody hold much longer.

    The others are shown with their escrow: `escrow show`.
    """
    if page_token:
        check_deadline_id(page_token)

    async def read() -> list[OpenDeadline]:
        async with pooled_database(load_settings(), DatabaseRole.READER) as pool:
            begin = ids.parse(page_token) if page_token else FIRST
            return await list_deadlines(pool, tenant, after=begin, limit=MOST)

    documents = [*map(_document, asyncio.run(read()))]
    token = documents[-1]["id"] if len(documents) == MOST else ""
    if as_json:
        # A row is shown as it is, so none is unreadable.
        print_json({"deadlines": documents, "next_page_token": token, "unreadable": []})
    elif documents:
        print_table(table([*map(_row, documents)], right=("warned_percent", "tries")))
        if token:
            people.print(f"there may be more: --page-token {token}", markup=False)
    else:
        people.print("none is put off, and no money nears Stripe's limit")


def _document(deadline: OpenDeadline) -> dict[str, Any]:
    of_escrow = deadline.subject_id == deadline.escrow_id
    return {
        "id": ids.show(ids.DEADLINE, deadline.deadline_id),
        "escrow_id": ids.show(ids.ESCROW, deadline.escrow_id),
        "milestone_id": "" if of_escrow else ids.show(ids.MILESTONE, deadline.subject_id),
        "kind": f"DEADLINE_KIND_{deadline.kind}",
        "due_time": deadline.due_at,
        "act_time": deadline.act_at,
        "warned_percent": deadline.warned_percent,
        "tries": deadline.tries,
        "refusal": deadline.refusal or "",
    }


def _row(document: dict[str, Any]) -> dict[str, str]:
    row = {name: "" if value is None else str(value) for name, value in document.items()}
    return row | {"kind": document["kind"].removeprefix("DEADLINE_KIND_")}
