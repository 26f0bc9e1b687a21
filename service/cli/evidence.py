"""``escrow chargebacks evidence``: what is sent to a payer's bank against a chargeback."""

from __future__ import annotations

from typing import Annotated

import typer

from escrow.v1 import chargeback_service_pb2 as pb
from service.cli.operating import Tenant, call, text_of
from service.cli.printing import AsJson, document_of, people, print_json
from service.operations.chargebacks.preview_chargeback_evidence import (
    preview_chargeback_evidence,
)

app = typer.Typer(help="What is sent to a payer's bank against a chargeback.", no_args_is_help=True)
ChargebackId = Annotated[str, typer.Argument(help='"cbk_..."')]


@app.command("preview")
def preview(
    chargeback_id: ChargebackId, tenant: Tenant = "default", *, as_json: AsJson = False
) -> None:
    """All texts that would be sent, with their hash. Nothing is sent."""
    request = pb.PreviewChargebackEvidenceRequest(chargeback_id=chargeback_id)
    found = call(preview_chargeback_evidence, request, tenant=tenant)
    if as_json:
        print_json(document_of(found))
        return
    print_evidence(found.evidence)
    if found.HasField("due_time"):
        _say(f"due: {text_of(found, 'due_time', found.due_time)}")
    for each in found.blockers:
        _say(f"cannot be sent now: {each}")
    if found.costs:
        _say(f"costs: {found.costs}")


def print_evidence(evidence: pb.ChargebackEvidence) -> None:
    """A field with its text below it, then how much it is, and its hash."""
    for each in evidence.fields:
        people.print(each.name, style="bold", markup=False)
        _say(f"{each.text}\n")
    _say(f"characters: {evidence.characters:,} of 150,000")
    _say(f"hash: {evidence.hash}")


def _say(text: str) -> None:
    people.print(text, markup=False, soft_wrap=True)
