"""``escrow cancellations``: canceling in place of the parties, and what one asks of the other."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from service.cli.ages import age_of_text
from service.cli.calling import call_service
from service.cli.named import check_proposal_id, escrow_named, escrow_of_proposal, milestone_named
from service.cli.operating import (
    DryRun,
    Escrow,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    new_key,
    show,
)
from service.cli.printing import AsJson, people, print_json
from service.cli.tables import print_table, table
from service.config import DatabaseRole, load_settings
from service.database import pooled_database
from service.domain import ids
from service.store.balances import FIRST
from service.store.for_operators import OpenProposal, list_proposals

MOST = 200

app = typer.Typer(help="Canceled escrows, and what parties ask.", no_args_is_help=True)
ProposalId = Annotated[str, typer.Argument(help='"prp_..."')]
Milestones = Annotated[
    list[str] | None,
    typer.Option(
        "--milestone", help='Only this: "mst_...", or its number. (else all that is open)'
    ),
]


@app.command("list")
def list_(
    tenant: Tenant = "default", page_token: PageToken = "", *, as_json: AsJson = False
) -> None:
    """What one party asks and the other has not answered, extensions too; the oldest 200."""
    if page_token:
        check_proposal_id(page_token)

    async def read() -> list[OpenProposal]:
        async with pooled_database(load_settings(), DatabaseRole.READER) as pool:
            begin = ids.parse(page_token) if page_token else FIRST
            return await list_proposals(pool, tenant, after=begin, limit=MOST)

    documents = [*map(_document, asyncio.run(read()))]
    token = documents[-1]["id"] if len(documents) == MOST else ""
    if as_json:
        # A row is shown as it is, so none is unreadable.
        print_json({"proposals": documents, "next_page_token": token, "unreadable": []})
    elif documents:
        print_table(table([*map(_row, documents)]))
        if token:
            people.print(f"there may be more: --page-token {token}", markup=False)
    else:
        people.print("nothing is asked")


@app.command()
def create(
    escrow: Escrow,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    milestones: Milestones = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Cancels what is open of an escrow, and refunds what is held of that to the payer."""
    escrow_id = escrow_named(tenant, escrow)
    request = pb.CancelEscrowRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_id,
        milestone_ids=[milestone_named(tenant, escrow_id, each)[1] for each in milestones or ()],
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.escrows.CancelEscrow, request, tenant=tenant)
    show(answer, as_json=as_json, dry_run=dry_run)


@app.command()
def approve(
    proposal_id: ProposalId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Carries out what a party has asked for, in place of the other."""
    request = agreement_pb.ApproveCancellationRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_proposal(tenant, proposal_id),
        proposal_id=proposal_id,
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.agreements.ApproveCancellation, request, tenant=tenant)
    show(answer, as_json=as_json, dry_run=dry_run)


@app.command()
def decline(
    proposal_id: ProposalId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Says no to what a party has asked for, in place of the other."""
    request = agreement_pb.DeclineCancellationRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_proposal(tenant, proposal_id),
        proposal_id=proposal_id,
        reason=reason,
    )
    answer = call_service(lambda it: it.agreements.DeclineCancellation, request, tenant=tenant)
    show(answer, as_json=as_json)


def _document(proposal: OpenProposal) -> dict[str, Any]:
    about = proposal.deadline_id
    return {
        "id": ids.show(ids.PROPOSAL, proposal.proposal_id),
        "escrow_id": ids.show(ids.ESCROW, proposal.escrow_id),
        "kind": f"PROPOSAL_KIND_{proposal.kind}",
        "proposed_by": proposal.proposed_by,
        "deadline_id": ids.show(ids.DEADLINE, about) if about else "",
        "due_time": proposal.due_at,
        "reason": proposal.reason,
        "create_time": proposal.created_at,
    }


def _row(document: dict[str, Any]) -> dict[str, str]:
    row = {name: "" if value is None else str(value) for name, value in document.items()}
    del row["create_time"]
    kind = document["kind"].removeprefix("PROPOSAL_KIND_")
    return row | {"kind": kind, "age": age_of_text(document["create_time"])}
