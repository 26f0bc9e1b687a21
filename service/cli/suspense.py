"""``escrow suspense``: money that waits for a person, and what it can be applied to."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import operator_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.operating import DryRun, PageToken, Reason, RequestId, Tenant, call, new_key, show
from service.cli.printing import AsJson
from service.operations.operators.list_suspense import list_suspense

app = typer.Typer(help="Money that waits for a person.", no_args_is_help=True)
PaymentId = Annotated[str, typer.Argument(help='"pay_..."')]
MilestoneIds = Annotated[list[str], typer.Argument(help='"mst_...", one or more.')]


@app.command("list")
def list_(
    tenant: Tenant = "default", page_token: PageToken = "", *, as_json: AsJson = False
) -> None:
    """All of it, with whose it is and what can be done; the oldest 200."""
    request = pb.ListSuspenseRequest(page_size=200, page_token=page_token)
    show(call(list_suspense, request, tenant=tenant), as_json=as_json)


@app.command()
def apply(
    payment_id: PaymentId,
    milestone_ids: MilestoneIds,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Funds milestones of the payment's escrow that await exactly what is in suspense."""
    request = pb.ApplySuspenseRequest(
        request_id=new_key(request_id),
        payment_id=payment_id,
        milestone_ids=milestone_ids,
        reason=reason,
        validate_only=dry_run,
    )
    show(
        call_service(lambda it: it.operators.ApplySuspense, request, tenant=tenant),
        as_json=as_json,
        dry_run=dry_run,
    )
