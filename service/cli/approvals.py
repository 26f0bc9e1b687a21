"""``escrow approvals``: what is above a limit, and waits for a second person."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import approval_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.named import escrow_named
from service.cli.operating import (
    PageToken,
    Reason,
    RequestId,
    Tenant,
    call,
    new_key,
    print_facts,
    show_list,
)
from service.cli.printing import AsJson, document_of, people, print_json
from service.cli.refunds import OfEscrow, all_of
from service.operations.approvals.get_approval import get_approval
from service.operations.approvals.list_approvals import list_approvals

COLUMNS = (
    *("id", "state", "kind", "method", "amount", "requested_by", "reason", "expire_time"),
    *("escrow_id", "decided_by"),
)

app = typer.Typer(help="What waits for a second person.", no_args_is_help=True)
ApprovalId = Annotated[str, typer.Argument(help='"apr_..."')]
PlanHash = Annotated[
    str,
    typer.Option(
        help="The hash of the plan that `escrow approvals show` said; nothing else is approved."
    ),
]
Waiting = Annotated[
    bool, typer.Option("--waiting/--all", help="What nobody has decided; or all there were.")
]


@app.command("list")
def list_(
    tenant: Tenant = "default",
    page_token: PageToken = "",
    escrow: OfEscrow = None,
    *,
    waiting: Waiting = True,
    as_json: AsJson = False,
) -> None:
    """What waits, who asked for it, why, and until when it can be approved; the newest 200."""
    asked = {
        "state": "WAITING" if waiting else None,
        "escrow_id": escrow_named(tenant, escrow, hint="--escrow") if escrow else None,
    }
    request = pb.ListApprovalsRequest(page_size=200, page_token=page_token, filter=all_of(asked))
    show_list(call(list_approvals, request, tenant=tenant), COLUMNS, as_json=as_json)


@app.command("show")
def show_(approval_id: ApprovalId, tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """What exactly would be booked, and the hash that names it."""
    request = pb.GetApprovalRequest(approval_id=approval_id)
    _show(call(get_approval, request, tenant=tenant).approval, as_json=as_json)


@app.command()
def approve(
    approval_id: ApprovalId,
    plan_hash: PlanHash,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Does what was asked for, if it is still what `escrow approvals show` said."""
    request = pb.ApproveRequest(
        request_id=new_key(request_id), approval_id=approval_id, plan_hash=plan_hash, reason=reason
    )
    answer = call_service(lambda it: it.approvals.Approve, request, tenant=tenant)
    _show(answer.approval, as_json=as_json)


@app.command()
def reject(
    approval_id: ApprovalId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Ends it: nothing of it is done. Also to take back what you asked for."""
    request = pb.RejectRequest(
        request_id=new_key(request_id), approval_id=approval_id, reason=reason
    )
    answer = call_service(lambda it: it.approvals.Reject, request, tenant=tenant)
    _show(answer.approval, as_json=as_json)


def _show(approval: pb.Approval, *, as_json: bool) -> None:
    if as_json:
        print_json(document_of(approval))
        return
    print_facts(approval)
    for line in approval.plan:
        people.print(f"  {line}", markup=False, soft_wrap=True)
