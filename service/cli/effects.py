"""``escrow effects``: calls to Stripe that are open, and the repairs of those that wait."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import operator_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.operating import (
    DryRun,
    Everything,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    call,
    new_key,
    show,
)
from service.cli.printing import AsJson
from service.operations.operators.get_effect import get_effect
from service.operations.operators.list_effects import list_effects

app = typer.Typer(help="Calls to Stripe that are open, and their repairs.", no_args_is_help=True)
EffectId = Annotated[str, typer.Argument(help='"eff_..."')]
Refused = Annotated[
    bool, typer.Option("--refused", help="Those that Stripe refused: what they are for is wrong.")
]
Made = Annotated[str, typer.Argument(help='What it made at Stripe: "tr_...", "po_..." ...')]


@app.command("list")
def list_(
    tenant: Tenant = "default",
    page_token: PageToken = "",
    *,
    everything: Everything = False,
    refused: Refused = False,
    as_json: AsJson = False,
) -> None:
    """Those whose answer does not fit, for a person; the newest 200."""
    filter_ = pb.EFFECT_FILTER_UNSPECIFIED if everything else pb.EFFECT_FILTER_NEEDS_PERSON
    if refused:
        filter_ = pb.EFFECT_FILTER_REJECTED
    request = pb.ListEffectsRequest(page_size=200, page_token=page_token, filter=filter_)
    show(call(list_effects, request, tenant=tenant), as_json=as_json)


@app.command("show")
def show_(effect_id: EffectId, tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """One of them, with every attempt."""
    request = pb.GetEffectRequest(effect_id=effect_id)
    show(call(get_effect, request, tenant=tenant), as_json=as_json)


@app.command()
def retry(
    effect_id: EffectId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Has it looked up now; a worker does it within seconds. It cannot be done twice by that."""
    request = pb.RetryEffectRequest(
        request_id=new_key(request_id), effect_id=effect_id, reason=reason
    )
    show(call_service(lambda it: it.operators.RetryEffect, request, tenant=tenant), as_json=as_json)


@app.command()
def reject(
    effect_id: EffectId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Ends it, because nothing happened at Stripe, which is asked; money in flight goes back."""
    request = pb.RejectEffectRequest(
        request_id=new_key(request_id),
        effect_id=effect_id,
        reason=reason,
        validate_only=dry_run,
    )
    show(
        call_service(lambda it: it.operators.RejectEffect, request, tenant=tenant),
        as_json=as_json,
        dry_run=dry_run,
    )


@app.command()
def settle(
    effect_id: EffectId,
    made: Made,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Ends it by this object at Stripe, which is fetched and held against what was asked for."""
    request = pb.SettleEffectRequest(
        request_id=new_key(request_id),
        effect_id=effect_id,
        stripe_object=made,
        reason=reason,
        validate_only=dry_run,
    )
    show(
        call_service(lambda it: it.operators.SettleEffect, request, tenant=tenant),
        as_json=as_json,
        dry_run=dry_run,
    )
