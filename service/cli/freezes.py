"""``escrow freezes``: amounts that may not move, and lifting one of them."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

import typer

from escrow.v1 import escrow_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.operating import PageToken, Reason, RequestId, Tenant, new_key, show
from service.cli.printing import AsJson, people, print_json
from service.cli.tables import print_table, table
from service.config import DatabaseRole, load_settings
from service.database import pooled_database
from service.domain import ids
from service.domain.errors import FreezeMissing
from service.domain.money import format_minor
from service.store.balances import FIRST
from service.store.for_operators import OpenFreeze, list_freezes
from service.store.names import Named, find_named

MOST = 200
_FREEZE_ID = re.compile(r"frz_[0-9a-f]{32}")

app = typer.Typer(help="Amounts that may not move.", no_args_is_help=True)
FreezeId = Annotated[str, typer.Argument(help='"frz_..."')]


@app.command("list")
def list_(
    tenant: Tenant = "default", page_token: PageToken = "", *, as_json: AsJson = False
) -> None:
    """Those that are open, the oldest 200: what caused each, and what it holds back."""
    if page_token:
        _check(page_token)

    async def read() -> list[OpenFreeze]:
        async with pooled_database(load_settings(), DatabaseRole.READER) as pool:
            begin = ids.parse(page_token) if page_token else FIRST
            return await list_freezes(pool, tenant, after=begin, limit=MOST)

    documents = [*map(_document, asyncio.run(read()))]
    token = documents[-1]["id"] if len(documents) == MOST else ""
    if as_json:
        # A row is shown as it is, so none is unreadable.
        print_json({"freezes": documents, "next_page_token": token, "unreadable": []})
    elif documents:
        print_table(table([*map(_row, documents)], right=("amount", "beyond")))
        if token:
            people.print(f"there may be more: --page-token {token}", markup=False)
    else:
        people.print("nothing is frozen")


@app.command()
def lift(
    freeze_id: FreezeId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Lets its amount move again; transfers that it held back go on at once."""
    _check(freeze_id)

    async def find() -> list[Named]:
        async with pooled_database(load_settings(), DatabaseRole.READER) as pool:
            return await find_named(pool, tenant, freeze_id)

    found = asyncio.run(find())
    if not found or found[0].escrow_id is None:
        raise FreezeMissing(f"There is no freeze {freeze_id} here.", freeze_id=freeze_id)
    request = pb.LiftFreezeRequest(
        request_id=new_key(request_id),
        escrow_id=ids.show(ids.ESCROW, found[0].escrow_id),
        freeze_id=freeze_id,
        reason=reason,
    )
    show(call_service(lambda it: it.escrows.LiftFreeze, request, tenant=tenant), as_json=as_json)


def _check(freeze_id: str) -> None:
    if not _FREEZE_ID.fullmatch(freeze_id):
        raise typer.BadParameter(f"{freeze_id!r} is not frz_ and 32 hexadecimal digits")


def _document(freeze: OpenFreeze) -> dict[str, Any]:
    return {
        "id": ids.show(ids.FREEZE, freeze.freeze_id),
        "escrow_id": ids.show(ids.ESCROW, freeze.escrow_id),
        "milestone_id": ids.show(ids.MILESTONE, freeze.milestone_id),
        "payment_id": ids.show(ids.PAYMENT, freeze.payment_id),
        "reason": f"FREEZE_REASON_{freeze.reason}",
        "source": freeze.source,
        "fact": freeze.fact,
        "amount": {"amount_minor": freeze.amount_minor, "currency": freeze.currency},
        "beyond": {"amount_minor": freeze.beyond_minor, "currency": freeze.currency},
        "create_time": freeze.created_at,
    }


def _row(document: dict[str, Any]) -> dict[str, str]:
    row = {name: str(value) for name, value in document.items()}
    for name in ("amount", "beyond"):
        money = document[name]
        row[name] = format_minor(money["amount_minor"], money["currency"])
    return row | {"reason": document["reason"].removeprefix("FREEZE_REASON_")}
