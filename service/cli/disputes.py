"""``escrow disputes``: what the payer and the payee disagree about, and who decides it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from escrow.v1 import dispute_service_pb2 as pb
from service.cli import dispute_evidence
from service.cli.ages import left_until
from service.cli.calling import call_service
from service.cli.named import escrow_named
from service.cli.numbers import minor_units
from service.cli.operating import (
    DryRun,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    call,
    new_key,
    print_facts,
    show,
    show_list,
)
from service.cli.printing import AsJson, document_of, print_json
from service.cli.refunds import OfEscrow, all_of
from service.operations.disputes.get_dispute import get_dispute
from service.operations.disputes.list_disputes import list_disputes

COLUMNS = (
    *("id", "state", "opened_by", "amount", "claim", "reason", "lost", "escrow_id", "milestone_id"),
    *("create_time", "end_time"),
)

_TO = re.compile(r"(?P<payee>pye_[0-9a-f]{32})=(?P<amount>[^=]*)")


def _share(text: str) -> pb.DisputeShare:
    """Raises typer.BadParameter."""
    parsed = _TO.fullmatch(text)
    if parsed is None:
        raise typer.BadParameter(f"{text!r} is not pye_...=AMOUNT, in minor units")
    return pb.DisputeShare(payee_id=parsed["payee"], amount_minor=minor_units(parsed["amount"]))


app = typer.Typer(help="What the payer and the payee disagree about.", no_args_is_help=True)
app.add_typer(dispute_evidence.app, name="evidence")
DisputeId = Annotated[str, typer.Argument(help='"dsp_..."')]
OfParty = Annotated[
    str | None, typer.Option("--party", help='Only of this party: "pyr_..." or "pye_..."')
]
InState = Annotated[
    str | None, typer.Option("--state", help="Only those that are there: mediation, resolved ...")
]
DueBefore = Annotated[str | None, typer.Option(help="Only those due before: 2026-12-08T00:00:00Z")]
All = Annotated[bool, typer.Option("--all/--open", help="Those that have ended as well.")]
ToPayer = Annotated[
    int,
    typer.Option(
        parser=minor_units,
        help="What of it goes back to the payer, in minor units; the rest is released.",
    ),
]
ToPayees = Annotated[
    list[pb.DisputeShare] | None,
    typer.Option(
        "--to",
        parser=_share,
        metavar="PAYEE=MINOR",
        help='So much of the rest to this payee: "pye_...=1000". (else by their parts)',
    ),
]


@app.command("list")
def list_(  # noqa: PLR0913  one for each condition
    tenant: Tenant = "default",
    page_token: PageToken = "",
    escrow: OfEscrow = None,
    party: OfParty = None,
    state: InState = None,
    due_before: DueBefore = None,
    *,
    ended: All = False,
    as_json: AsJson = False,
) -> None:
    """Whose turn each is, and until when; the newest 200."""
    of_payer = bool(party and party.startswith("pyr_"))
    equal = all_of(
        {
            "escrow_id": escrow_named(tenant, escrow, hint="--escrow") if escrow else None,
            "payer_id": party if of_payer else None,
            "payee_id": None if of_payer else party,
            "state": state.upper() if state else None,
            "open": None if ended or state else "true",
        }
    )
    compared = (equal, f'due_time < "{due_before}"' if due_before else "")
    request = pb.ListDisputesRequest(
        page_size=200, page_token=page_token, filter=" AND ".join(filter(None, compared))
    )
    answer = call(list_disputes, request, tenant=tenant)
    show_list(answer, COLUMNS, as_json=as_json, more=_due_in)


def _due_in(dispute: pb.Dispute, now: datetime) -> dict[str, str]:
    if not dispute.HasField("deadline"):
        return {"due": "", "put_off": ""}
    due = left_until(dispute.deadline.due_time.ToDatetime(UTC), now)
    return {"due": due, "put_off": dispute.deadline.refusal}


@app.command("show")
def show_(dispute_id: DisputeId, tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """What they say, what they offer, and how it ended."""
    found = call(get_dispute, pb.GetDisputeRequest(dispute_id=dispute_id), tenant=tenant).dispute
    if as_json:
        print_json(document_of(found))
    else:
        print_facts(found)


@app.command()
def resolve(  # noqa: PLR0913  one for each field of the request
    dispute_id: DisputeId,
    reason: Reason,
    to_payer: ToPayer,
    to_payees: ToPayees = None,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Decides a dispute for good: first look with --dry-run."""
    found = call(get_dispute, pb.GetDisputeRequest(dispute_id=dispute_id), tenant=tenant).dispute
    request = pb.ResolveDisputeRequest(
        request_id=new_key(request_id),
        escrow_id=found.escrow_id,
        dispute_id=dispute_id,
        to_payer_minor=to_payer,
        payees=to_payees or (),
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.disputes.ResolveDispute, request, tenant=tenant)
    show(answer, as_json=as_json, dry_run=dry_run)
