"""``escrow chargebacks``: what payers' banks take back, or ask about, and who bears it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

import typer

from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import policy_service_pb2 as policy_pb
from service.cli import evidence
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
    table_of,
)
from service.cli.printing import AsJson, document_of, people, print_json
from service.cli.refunds import OfEscrow, all_of
from service.cli.tables import print_table
from service.domain.policy import DisputeFeeBearer
from service.operations.chargebacks.get_chargeback import get_chargeback
from service.operations.chargebacks.list_chargebacks import list_chargebacks

COLUMNS = (
    *("id", "state", "unsettled", "amount", "due_time", "reason", "withdrawn", "reinstated"),
    *("fee", "borne_by_platform", "stripe_dispute", "escrow_id", "open_time", "lose_time"),
)

_SOURCE = re.compile(
    r"(?P<milestone>mst_[0-9a-f]{32})"
    r"(:((?P<release>rel_[0-9a-f]{32})|(?P<payee>pye_[0-9a-f]{32})))?=(?P<amount>[^=]*)"
)


def _source(text: str) -> pb.SettlementSource:
    """Raises typer.BadParameter."""
    parsed = _SOURCE.fullmatch(text)
    if parsed is None:
        says = f"{text!r} is not mst_...=AMOUNT, mst_...:rel_...=AMOUNT or mst_...:pye_...=AMOUNT"
        raise typer.BadParameter(f"{says}, in minor units")
    return pb.SettlementSource(
        milestone_id=parsed["milestone"],
        release_id=parsed["release"] or "",
        payee_id=parsed["payee"] or "",
        amount_minor=minor_units(parsed["amount"]),
    )


app = typer.Typer(help="What payers' banks take back, or ask about.", no_args_is_help=True)
app.add_typer(evidence.app, name="evidence")
ChargebackId = Annotated[str, typer.Argument(help='"cbk_..."')]
OfPayee = Annotated[
    str | None, typer.Option("--payee", help='Only of what this payee is paid: "pye_..."')
]
InState = Annotated[
    str | None, typer.Option("--state", help="Only those that are there: needs_response, lost ...")
]
DueBefore = Annotated[
    str | None,
    typer.Option(help="Only those that take evidence until before: 2026-11-08T00:00:00Z"),
]
AtLeast = Annotated[
    int | None,
    typer.Option(parser=minor_units, help="Only those of so much or more, in minor units."),
]
OfPlatform = Annotated[
    int | None,
    typer.Option(
        "--platform",
        parser=minor_units,
        help="What the platform bears, in minor units of what was paid. (else as the policy says)",
    ),
]
OfFee = Annotated[
    DisputeFeeBearer | None,
    typer.Option("--fee", help="Who bears Stripe's fee for it. (else as the policy says)"),
]
Sources = Annotated[
    list[pb.SettlementSource] | None,
    typer.Option(
        "--from",
        parser=_source,
        metavar="FROM=MINOR",
        help='So much of the price from here: "mst_...=1000" of what is held,'
        ' "mst_...:rel_...=1000" of a release; the fee of the payer goes with it. One or more.',
    ),
]
Anew = Annotated[
    bool, typer.Option("--anew", help="Takes the settlement back that there is, and settles anew.")
]
BeforeOutcome = Annotated[
    bool,
    typer.Option(
        "--before-outcome",
        help="Also while the bank has not decided: as if it were lost. A win takes it back.",
    ),
]
Unsettled = Annotated[
    bool, typer.Option("--unsettled/--all", help="Those that somebody has to settle; or all.")
]


@app.command("list")
def list_(  # noqa: PLR0913  one for each condition
    tenant: Tenant = "default",
    page_token: PageToken = "",
    escrow: OfEscrow = None,
    payee: OfPayee = None,
    state: InState = None,
    due_before: DueBefore = None,
    at_least: AtLeast = None,
    *,
    unsettled: Unsettled = False,
    as_json: AsJson = False,
) -> None:
    """Where each is, until when it takes evidence, and what Stripe took; the newest 200."""
    equal = all_of(
        {
            "escrow_id": escrow_named(tenant, escrow, hint="--escrow") if escrow else None,
            "payee_id": payee,
            "state": state.upper() if state else None,
            "unsettled": "true" if unsettled else None,
        }
    )
    compared = (
        equal,
        f'due_time < "{due_before}"' if due_before else "",
        "" if at_least is None else f"amount_minor >= {at_least}",
    )
    request = pb.ListChargebacksRequest(
        page_size=200, page_token=page_token, filter=" AND ".join(filter(None, compared))
    )
    answer = call(list_chargebacks, request, tenant=tenant)
    show_list(answer, COLUMNS, as_json=as_json, more=_due_in)


def _due_in(known: pb.Chargeback, now: datetime) -> dict[str, str]:
    """Of those that wait for evidence."""
    due = known.due_time.ToDatetime(UTC)
    return {"due": left_until(due, now) if known.waits_for_evidence else ""}


@app.command("show")
def show_(
    chargeback_id: ChargebackId, tenant: Tenant = "default", *, as_json: AsJson = False
) -> None:
    """All that Stripe has said of one."""
    request = pb.GetChargebackRequest(chargeback_id=chargeback_id)
    found = call(get_chargeback, request, tenant=tenant).chargeback
    if as_json:
        print_json(document_of(found))
    else:
        print_facts(found)


@app.command()
def settle(  # noqa: PLR0913  one for each field of the request
    chargeback_id: ChargebackId,
    reason: Reason,
    platform: OfPlatform = None,
    fee: OfFee = None,
    sources: Sources = None,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    anew: Anew = False,
    before_outcome: BeforeOutcome = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Says who bears what a lost chargeback took: first look with --dry-run."""
    request = pb.SettleChargebackRequest(
        request_id=new_key(request_id),
        chargeback_id=chargeback_id,
        platform_minor=platform,
        dispute_fee=policy_pb.DisputeFeeBearer.Value(
            f"DISPUTE_FEE_BEARER_{fee.name if fee else 'UNSPECIFIED'}"
        ),
        sources=sources or (),
        anew=anew,
        before_outcome=before_outcome,
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.chargebacks.SettleChargeback, request, tenant=tenant)
    show(answer, as_json=as_json, dry_run=dry_run)
    if not as_json:
        people.print()
        print_table(table_of([*answer.taken.parts]))
