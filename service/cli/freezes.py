"""``escrow freezes``: amounts that may not move; placing one, and lifting one."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated, Any

import typer

from escrow.v1 import escrow_service_pb2 as pb
from service.cli.ages import age_of_text
from service.cli.calling import call_service
from service.cli.named import check_freeze_id, escrow_of_freeze, milestone_named
from service.cli.numbers import minor_units
from service.cli.operating import (
    DryRun,
    Escrow,
    Milestone,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    new_key,
    show,
    table_of,
)
from service.cli.printing import AsJson, people, print_json
from service.cli.tables import print_table, table
from service.config import DatabaseRole, load_settings
from service.database import pooled_database
from service.domain import ids
from service.domain.money import format_minor
from service.store.balances import FIRST
from service.store.for_operators import OpenFreeze, list_freezes

MOST = 200

app = typer.Typer(help="Amounts that may not move.", no_args_is_help=True)
FreezeId = Annotated[str, typer.Argument(help='"frz_..."')]


class Kind(StrEnum):
    """For what an operator freezes."""

    RISK = "risk"
    LEGAL = "legal"
    KYC = "kyc"
    ADMIN = "admin"


@app.command("list")
def list_(
    tenant: Tenant = "default", page_token: PageToken = "", *, as_json: AsJson = False
) -> None:
    """Those that are open, the oldest 200: who or what caused each, and what it holds back."""
    if page_token:
        check_freeze_id(page_token)

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
    request = pb.LiftFreezeRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_freeze(tenant, freeze_id),
        freeze_id=freeze_id,
        reason=reason,
    )
    show(call_service(lambda it: it.escrows.LiftFreeze, request, tenant=tenant), as_json=as_json)


@app.command()
def place(  # noqa: PLR0913  as many as there are options
    escrow: Escrow,
    milestone: Milestone,
    kind: Annotated[Kind, typer.Option(help="What for.")],
    reason: Reason,
    amount: Annotated[
        int | None,
        typer.Option(
            parser=minor_units,
            help="How much of what is held, in minor units. (else all that is free)",
        ),
    ] = None,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Lets an amount that is held not move, until it is lifted; what is left moves as before."""
    escrow_id, milestone_id = milestone_named(tenant, escrow, milestone)
    request = pb.PlaceFreezeRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_id,
        milestone_id=milestone_id,
        amount_minor=amount,
        freeze_reason=pb.FreezeReason.Value(f"FREEZE_REASON_{kind.name}"),
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.escrows.PlaceFreeze, request, tenant=tenant)
    show(answer, as_json=as_json, dry_run=dry_run)
    if not as_json:
        frozen = (m for m in answer.escrow.milestones if m.id == milestone_id)
        print_table(table_of([freeze for each in frozen for freeze in each.freezes]))


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
    del row["create_time"]
    reason = document["reason"].removeprefix("FREEZE_REASON_")
    return row | {"reason": reason, "age": age_of_text(document["create_time"])}
