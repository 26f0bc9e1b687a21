"""``escrow reversals``: payees' transfers that somebody reversed at Stripe, and what for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from escrow.v1 import refund_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.named import escrow_of_freeze
from service.cli.operating import DryRun, Reason, RequestId, Tenant, new_key, show
from service.cli.printing import AsJson

app = typer.Typer(help="Payees' transfers that somebody reversed at Stripe.", no_args_is_help=True)


class Purpose(StrEnum):
    """What a reversal was for."""

    FOR_DEBT = "for-debt"
    GIVE_BACK = "give-back"
    KEEP = "keep"


FreezeId = Annotated[str, typer.Argument(help='The freeze that it caused: "frz_..."')]
WhatFor = Annotated[
    Purpose,
    typer.Argument(
        help="It pays what the payee owes of this transfer; or it is the payee's again, and sent to"
        " them once more; or the platform keeps it, as their debt was netted or written off."
    ),
]


@app.callback()
def reversals() -> None:
    """What somebody reversed at Stripe is frozen until an operator says what it was for."""


@app.command()
def adopt(
    freeze_id: FreezeId,
    purpose: WhatFor,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Says what a reversal was for; its freeze ends when nothing of it is left."""
    request = pb.AdoptReversalRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_freeze(tenant, freeze_id),
        freeze_id=freeze_id,
        purpose=pb.ReversalPurpose.Value(f"REVERSAL_PURPOSE_{purpose.name}"),
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.refunds.AdoptReversal, request, tenant=tenant)
    show(answer, as_json=as_json, dry_run=dry_run)
