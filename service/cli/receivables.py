"""``escrow receivables``: what payees owe because their share was refunded after it had left."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import refund_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.named import escrow_named
from service.cli.operating import (
    DryRun,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    call,
    new_key,
    show,
    show_list,
)
from service.cli.printing import AsJson
from service.cli.refunds import OfEscrow, all_of
from service.operations.refunds.list_receivables import list_receivables

COLUMNS = (
    *("id", "payee_id", "state", "owed", "amount", "reversed", "netted", "written_off"),
    *("refund_id", "escrow_id", "refusal_code", "retry_time"),
)

app = typer.Typer(help="What payees owe.", no_args_is_help=True)
ReceivableId = Annotated[str, typer.Argument(help='"rcv_..."')]
OfPayee = Annotated[
    str | None, typer.Option("--payee", help='Only what this payee owes: "pye_..."')
]
Owed = Annotated[
    bool,
    typer.Option(
        "--owed/--all", help="What is owed; or also what is being reversed, and what is settled."
    ),
]


@app.command("list")
def list_(
    tenant: Tenant = "default",
    page_token: PageToken = "",
    payee: OfPayee = None,
    escrow: OfEscrow = None,
    *,
    owed: Owed = True,
    as_json: AsJson = False,
) -> None:
    """What is owed, by whom, since when and why it has not come back; the newest 200."""
    asked = {
        "state": "OWED" if owed else None,
        "payee_id": payee,
        "escrow_id": escrow_named(tenant, escrow, hint="--escrow") if escrow else None,
    }
    request = pb.ListReceivablesRequest(page_size=200, page_token=page_token, filter=all_of(asked))
    show_list(call(list_receivables, request, tenant=tenant), COLUMNS, as_json=as_json)


@app.command("write-off")
def write_off(
    receivable_id: ReceivableId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Gives up what is owed: the platform bears it, and nothing is asked of the payee any more."""
    request = pb.WriteOffReceivableRequest(
        request_id=new_key(request_id),
        receivable_id=receivable_id,
        reason=reason,
        validate_only=dry_run,
    )
    show(
        call_service(lambda it: it.refunds.WriteOffReceivable, request, tenant=tenant),
        as_json=as_json,
        dry_run=dry_run,
    )
