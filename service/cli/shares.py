"""``escrow shares``: the parts of a milestone's payees; giving one to another payee."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import escrow_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.named import milestone_named
from service.cli.operating import (
    DryRun,
    Escrow,
    Milestone,
    Reason,
    RequestId,
    Tenant,
    new_key,
    show,
    table_of,
)
from service.cli.printing import AsJson
from service.cli.tables import print_table

app = typer.Typer(help="The parts of a milestone's payees.", no_args_is_help=True)
From = Annotated[str, typer.Option("--from", help='Whose part it is: "pye_..."')]
To = Annotated[str, typer.Option("--to", help='Who gets it: "pye_..."')]


@app.command()
def redirect(  # noqa: PLR0913  as many as there are options
    escrow: Escrow,
    milestone: Milestone,
    from_: From,
    to: To,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Gives another payee what one who cannot be paid was to get. What they were paid is theirs."""
    escrow_id, milestone_id = milestone_named(tenant, escrow, milestone)
    request = pb.RedirectShareRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_id,
        milestone_id=milestone_id,
        payee_id=from_,
        to_payee_id=to,
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.escrows.RedirectShare, request, tenant=tenant)
    show(answer, as_json=as_json, dry_run=dry_run)
    if not as_json:
        payees = (m.payees for m in answer.escrow.milestones if m.id == milestone_id)
        print_table(table_of([payee for each in payees for payee in each]))
