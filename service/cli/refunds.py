"""``escrow refunds``: money that goes back to payers; what one would do, and those that failed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import typer

from escrow.v1 import refund_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.named import escrow_named, escrow_of_freeze, milestone_named
from service.cli.numbers import minor_units
from service.cli.operating import (
    DryRun,
    Escrow,
    Milestone,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    call,
    new_key,
    show,
    show_list,
    table_of,
)
from service.cli.printing import AsJson, people
from service.cli.tables import print_table
from service.domain.errors import PlanChanged
from service.operations.refunds.list_refunds import list_refunds

COLUMNS = (
    *("id", "state", "amount", "escrow_id", "payment_id", "stripe_refund", "failure_code"),
    *("reason", "waiting_for"),
)
_SOURCE = re.compile(r"(held|(?P<release>rel_[0-9a-f]{32}))=(?P<amount>[^=]*)")


def _source(text: str) -> pb.RefundSource:
    """Raises typer.BadParameter."""
    parsed = _SOURCE.fullmatch(text)
    if parsed is None:
        says = f"{text!r} is neither held=AMOUNT nor rel_...=AMOUNT, in minor units"
        raise typer.BadParameter(says)
    amount_minor = minor_units(parsed["amount"])
    return pb.RefundSource(release_id=parsed["release"] or "", amount_minor=amount_minor)


app = typer.Typer(help="Money that goes back to payers.", no_args_is_help=True)
RefundId = Annotated[str, typer.Argument(help='"rfn_..."')]
FreezeId = Annotated[str, typer.Argument(help='The freeze that it caused: "frz_..."')]
PaymentId = Annotated[str, typer.Argument(help='"pay_..."')]
OfPrice = Annotated[
    int | None,
    typer.Option(
        parser=minor_units,
        help="How much of the price, in minor units; the payer's fee goes back on top."
        " (else all that is left and not frozen)",
    ),
]
Sources = Annotated[
    list[pb.RefundSource] | None,
    typer.Option(
        "--from",
        parser=_source,
        metavar="FROM=MINOR",
        help='So much of the price from here, instead of --amount: "held=1000" or "rel_...=1000",'
        " one or more.",
    ),
]
OfSuspense = Annotated[
    int | None,
    typer.Option(
        parser=minor_units, help="How much, in minor units. (else all that is in suspense)"
    ),
]
PlanHash = Annotated[
    str,
    typer.Option(
        help="The hash of the plan that `escrow refunds plan` said; nothing else is done."
    ),
]
Failed = Annotated[
    bool, typer.Option("--failed/--all", help="Those that failed, for a person; or every one.")
]
OfEscrow = Annotated[
    str | None, typer.Option("--escrow", help='Only those of this escrow: "esc_...", or any name.')
]
OfPayment = Annotated[
    str | None, typer.Option("--payment", help='Only those of this payment: "pay_..."')
]


class Resolution(StrEnum):
    """What becomes of a refund that failed."""

    SEND_AGAIN = "send-again"
    PUT_BACK = "put-back"
    PAID_OUTSIDE = "paid-outside"


Becomes = Annotated[
    Resolution,
    typer.Argument(
        help="Ask Stripe again; put the money back where it was; or the platform has paid the"
        " payer from its own bank account."
    ),
]


@app.command("list")
def list_(
    tenant: Tenant = "default",
    page_token: PageToken = "",
    escrow: OfEscrow = None,
    payment: OfPayment = None,
    *,
    failed: Failed = True,
    as_json: AsJson = False,
) -> None:
    """Those that failed, so that a person has to say what becomes of them; the newest 200."""
    asked = {
        "state": "FAILED" if failed else None,
        "escrow_id": escrow_named(tenant, escrow, hint="--escrow") if escrow else None,
        "payment_id": payment,
    }
    request = pb.ListRefundsRequest(page_size=200, page_token=page_token, filter=all_of(asked))
    show_list(call(list_refunds, request, tenant=tenant), COLUMNS, as_json=as_json)


def all_of(asked: dict[str, str | None]) -> str:
    """The filter of a list: each field that has a value is that."""
    given = ((name, value) for name, value in asked.items() if value is not None)
    return " AND ".join(
        f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in given
    )


@app.command()
def plan(
    escrow: Escrow,
    milestone: Milestone,
    amount: OfPrice = None,
    tenant: Tenant = "default",
    *,
    sources: Sources = None,
    as_json: AsJson = False,
) -> None:
    """What a refund would take from whom, what the platform bears, and the hash that names it.

    Nothing is refunded. The service is asked, because it may have to ask Stripe.
    """
    planned = _planned(tenant, *milestone_named(tenant, escrow, milestone), amount, sources or ())
    _show(planned, planned.plan.parts, as_json=as_json)


def _planned(
    tenant: str,
    escrow_id: str,
    milestone_id: str,
    amount: int | None,
    sources: Sequence[pb.RefundSource],
) -> pb.PlanRefundResponse:
    request = pb.PlanRefundRequest(
        escrow_id=escrow_id, milestone_id=milestone_id, amount_minor=amount, sources=sources
    )
    return call_service(lambda it: it.refunds.PlanRefund, request, tenant=tenant)


@app.command()
def create(  # noqa: PLR0913  as many as there are options
    escrow: Escrow,
    milestone: Milestone,
    plan_hash: PlanHash,
    reason: Reason,
    amount: OfPrice = None,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    sources: Sources = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Refunds exactly what `escrow refunds plan` of the same showed, or nothing."""
    if not plan_hash:
        raise typer.BadParameter(
            "must be what `escrow refunds plan` said", param_hint="--plan-hash"
        )
    escrow_id, milestone_id = milestone_named(tenant, escrow, milestone)
    if dry_run:
        planned = _planned(tenant, escrow_id, milestone_id, amount, sources or ())
        if planned.plan.hash != plan_hash:
            raise PlanChanged(plan_hash=planned.plan.hash)
        _show(planned, planned.plan.parts, as_json=as_json, dry_run=True)
        return
    request = pb.RefundMilestoneRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_id,
        milestone_id=milestone_id,
        amount_minor=amount,
        sources=sources or (),
        plan_hash=plan_hash,
        reason=reason,
    )
    answer = call_service(lambda it: it.refunds.RefundMilestone, request, tenant=tenant)
    _show(answer, answer.refund.parts, as_json=as_json)


@app.command()
def resolve(
    refund_id: RefundId,
    resolution: Becomes,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Says what becomes of a refund that failed: the payer still has to get the money."""
    request = pb.ResolveRefundRequest(
        request_id=new_key(request_id),
        refund_id=refund_id,
        resolution=pb.RefundResolution.Value(f"REFUND_RESOLUTION_{resolution.name}"),
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.refunds.ResolveRefund, request, tenant=tenant)
    _show(answer, answer.refund.parts, as_json=as_json, dry_run=dry_run)


@app.command()
def adopt(
    freeze_id: FreezeId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Makes a refund that somebody made at Stripe one of ours; its freeze ends."""
    request = pb.AdoptRefundRequest(
        request_id=new_key(request_id),
        escrow_id=escrow_of_freeze(tenant, freeze_id),
        freeze_id=freeze_id,
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.refunds.AdoptRefund, request, tenant=tenant)
    _show(answer, answer.refund.parts, as_json=as_json, dry_run=dry_run)


@app.command()
def suspense(
    payment_id: PaymentId,
    reason: Reason,
    amount: OfSuspense = None,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Refunds a payment in suspense: money that nothing waited for."""
    request = pb.RefundSuspenseRequest(
        request_id=new_key(request_id),
        payment_id=payment_id,
        amount_minor=amount,
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(lambda it: it.refunds.RefundSuspense, request, tenant=tenant)
    _show(answer, answer.refund.parts, as_json=as_json, dry_run=dry_run)


Shown = (
    pb.PlanRefundResponse
    | pb.RefundMilestoneResponse
    | pb.ResolveRefundResponse
    | pb.AdoptRefundResponse
    | pb.RefundSuspenseResponse
)


def _show(
    answer: Shown, parts: Iterable[pb.RefundPart], *, as_json: bool, dry_run: bool = False
) -> None:
    """A refund or a plan of one, and for people a line for each place that it takes from."""
    show(answer, as_json=as_json, dry_run=dry_run)
    if not as_json:
        people.print()
        print_table(table_of([*parts]))
