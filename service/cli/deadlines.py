"""``escrow deadlines``: what was put off, and money that nears Stripe's limit."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from escrow.v1 import agreement_service_pb2 as agreement_pb
from service.cli.books import time_of
from service.cli.calling import call_service
from service.cli.named import check_deadline_id, escrow_of_deadline, escrow_of_proposal
from service.cli.operating import PageToken, Reason, RequestId, Tenant, new_key, show
from service.cli.printing import AsJson, people, print_json
from service.cli.tables import print_table, table
from service.config import DatabaseRole, load_settings
from service.database import pooled_database
from service.domain import ids
from service.domain.records.deadline import DeadlineKind
from service.store.balances import FIRST
from service.store.for_operators import OpenDeadline, list_deadlines

MOST = 200

DeadlineId = Annotated[str, typer.Argument(help='"ddl_..."')]
ProposalId = Annotated[str, typer.Argument(help='"prp_..."')]
Until = Annotated[str, typer.Option(help="Until when: 2026-11-30T18:00:00Z.")]

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


@app.command()
def extend(
    deadline_id: DeadlineId,
    until: Until,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Lets a deadline be due later, in place of both parties."""
    request = agreement_pb.ExtendDeadlineRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_deadline(tenant, deadline_id),
        deadline_id=deadline_id,
        reason=reason,
    )
    request.due_time.FromDatetime(time_of(until, "--until"))
    answer = call_service(lambda it: it.agreements.ExtendDeadline, request, tenant=tenant)
    show(answer, as_json=as_json)


@app.command()
def decline(
    proposal_id: ProposalId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Says no to an extension that a party has asked for, in place of the other."""
    request = agreement_pb.DeclineExtensionRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_proposal(tenant, proposal_id),
        proposal_id=proposal_id,
        reason=reason,
    )
    answer = call_service(lambda it: it.agreements.DeclineExtension, request, tenant=tenant)
    show(answer, as_json=as_json)


def _document(deadline: OpenDeadline) -> dict[str, Any]:
    of, of_proposal = deadline.subject_id, deadline.kind == DeadlineKind.ANSWER
    of_chargeback = deadline.kind == DeadlineKind.EVIDENCE
    of_dispute = deadline.kind == DeadlineKind.DISPUTE
    of_another = of_proposal or of_chargeback or of_dispute
    of_milestone = of != deadline.escrow_id and not of_another
    return {
        "id": ids.show(ids.DEADLINE, deadline.deadline_id),
        "escrow_id": ids.show(ids.ESCROW, deadline.escrow_id),
        "milestone_id": ids.show(ids.MILESTONE, of) if of_milestone else "",
        "proposal_id": ids.show(ids.PROPOSAL, of) if of_proposal else "",
        "chargeback_id": ids.show(ids.CHARGEBACK, of) if of_chargeback else "",
        "dispute_id": ids.show(ids.DISPUTE, of) if of_dispute else "",
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
