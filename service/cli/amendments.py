"""``escrow amendments``: changing what was agreed, in place of the parties."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, NamedTuple

import typer

from escrow.v1 import agreement_service_pb2 as pb
from service.cli.books import time_of
from service.cli.calling import call_service
from service.cli.changed_terms import change_rows
from service.cli.named import escrow_named, escrow_of_proposal, milestone_named
from service.cli.numbers import minor_units
from service.cli.operating import (
    DryRun,
    Escrow,
    Reason,
    RequestId,
    Tenant,
    new_key,
    show,
)
from service.cli.printing import AsJson
from service.cli.tables import print_table, table

_PAIR = re.compile(r"(.+)=([^=]*)", re.DOTALL)


class Priced(NamedTuple):
    """A milestone, by its number or id or as it will be called, and its price."""

    name: str
    amount_minor: int


class Dated(NamedTuple):
    """A milestone, by its number or id, and its due date."""

    name: str
    due: datetime


def _priced(text: str) -> Priced:
    """Raises typer.BadParameter."""
    name, amount = _pair(text)
    return Priced(name, minor_units(amount))


def _dated(text: str) -> Dated:
    """Raises typer.BadParameter."""
    name, due = _pair(text)
    return Dated(name, time_of(due, "--due"))


def _pair(text: str) -> tuple[str, str]:
    parsed = _PAIR.fullmatch(text)
    if parsed is None:
        raise typer.BadParameter(f"{text!r} has no =")
    return parsed[1], parsed[2]


app = typer.Typer(help="Changes of what was agreed.", no_args_is_help=True)
ProposalId = Annotated[str, typer.Argument(help='"prp_..."')]
Prices = Annotated[
    list[Priced] | None,
    typer.Option(
        "--price",
        parser=_priced,
        metavar="MILESTONE=MINOR",
        help='Another price of what nobody has paid for: "1=12000", in minor units.',
    ),
]
Dates = Annotated[
    list[Dated] | None,
    typer.Option(
        "--due",
        parser=_dated,
        metavar="MILESTONE=TIME",
        help='Another due date: "1=2026-11-30T18:00:00Z".',
    ),
]
Added = Annotated[
    list[Priced] | None,
    typer.Option(
        "--add",
        parser=_priced,
        metavar="TITLE=MINOR",
        help='A further milestone: "Bonus=5000", in minor units.',
    ),
]


@app.command()
def create(  # noqa: PLR0913  as many as there are options
    escrow: Escrow,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    prices: Prices = None,
    dates: Dates = None,
    added: Added = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Changes prices and due dates of milestones, by their number or id, and adds milestones."""
    escrow_id = escrow_named(tenant, escrow)
    request = pb.ProposeAmendmentRequest(
        request_id=new_key(request_id), escrow_id=escrow_id, reason=reason, validate_only=dry_run
    )
    changes: dict[str, pb.AmendedMilestone] = {}

    def changed(name: str) -> pb.AmendedMilestone:
        milestone_id = milestone_named(tenant, escrow_id, name)[1]
        return changes.setdefault(milestone_id, pb.AmendedMilestone(milestone_id=milestone_id))

    for each in prices or ():
        changed(each.name).amount_minor = each.amount_minor
    for dated in dates or ():
        changed(dated.name).due_time.FromDatetime(dated.due)
    request.milestones.extend(changes.values())
    for title, amount_minor in added or ():
        request.added.add(title=title, amount_minor=amount_minor)
    answer = call_service(lambda it: it.agreements.ProposeAmendment, request, tenant=tenant)
    _show(answer, as_json=as_json, dry_run=dry_run)


@app.command()
def accept(
    proposal_id: ProposalId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Carries out what a party has asked for, in place of the other."""
    request = pb.AcceptAmendmentRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_proposal(tenant, proposal_id),
        proposal_id=proposal_id,
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.agreements.AcceptAmendment, request, tenant=tenant)
    _show(answer, as_json=as_json, dry_run=dry_run)


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
    request = pb.DeclineAmendmentRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_proposal(tenant, proposal_id),
        proposal_id=proposal_id,
        reason=reason,
    )
    answer = call_service(lambda it: it.agreements.DeclineAmendment, request, tenant=tenant)
    show(answer, as_json=as_json)


def _show(
    answer: pb.ProposeAmendmentResponse | pb.AcceptAmendmentResponse,
    *,
    as_json: bool,
    dry_run: bool,
) -> None:
    """For people what changes first, then the escrow."""
    if not as_json:
        print_table(table(change_rows(answer.proposal.changes), right=("before", "after")))
    show(answer, as_json=as_json, dry_run=dry_run)
