"""``escrow payees``: what is held for a payee, on its way to them, owed by them, and at risk."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import party_service_pb2 as pb
from service.cli.operating import Tenant, call, show
from service.cli.printing import AsJson
from service.operations.parties.get_payee_exposure import get_payee_exposure

app = typer.Typer(help="Who is paid.", no_args_is_help=True)
PayeeId = Annotated[str, typer.Argument(help='"pye_..."')]


@app.command("exposure")
def exposure(payee_id: PayeeId, tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """By currency: held, pending, being paid out, owed, and what chargebacks put at risk."""
    request = pb.GetPayeeExposureRequest(payee_id=payee_id)
    show(call(get_payee_exposure, request, tenant=tenant), as_json=as_json)
