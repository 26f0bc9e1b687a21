"""``escrow chargebacks evidence``: what is sent to a payer's bank against a chargeback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from escrow.v1 import chargeback_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.operating import (
    DryRun,
    PageToken,
    Reason,
    RequestId,
    Tenant,
    call,
    new_key,
    show,
    show_list,
    text_of,
)
from service.cli.printing import AsJson, document_of, people, print_json
from service.domain.evidence import MOST_TOGETHER
from service.operations.chargebacks.list_chargeback_evidence import list_chargeback_evidence
from service.operations.chargebacks.preview_chargeback_evidence import (
    preview_chargeback_evidence,
)

COLUMNS = ("id", "step", "stage", "hash", "caller", "effect_id", "effect_generation")

app = typer.Typer(help="What is sent to a payer's bank against a chargeback.", no_args_is_help=True)
ChargebackId = Annotated[str, typer.Argument(help='"cbk_..."')]
Texts = Annotated[
    list[str] | None,
    typer.Option(
        "--text", help="What to say in one of Stripe's fields, one or more: customer_name=Ann"
    ),
]
TextFiles = Annotated[
    list[str] | None,
    typer.Option("--text-from", help="The same, from a file: cancellation_rebuttal=answer.txt"),
]
Hash = Annotated[
    str, typer.Option("--hash", help="The hash of what you saw; nothing else is submitted.")
]


@app.command("preview")
def preview(
    chargeback_id: ChargebackId, tenant: Tenant = "default", *, as_json: AsJson = False
) -> None:
    """All texts that would be sent, with their hash. Nothing is sent."""
    request = pb.PreviewChargebackEvidenceRequest(chargeback_id=chargeback_id)
    found = call(preview_chargeback_evidence, request, tenant=tenant)
    if as_json:
        print_json(document_of(found))
    else:
        _print_preview(found)


@app.command("stage")
def stage(
    chargeback_id: ChargebackId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    texts: Texts = None,
    text_files: TextFiles = None,
    as_json: AsJson = False,
) -> None:
    """Puts it on the dispute at Stripe, with what you add. The bank does not get it yet."""
    given = dict(_named(each, "--text") for each in texts or ())
    for each in text_files or ():
        name, path = _named(each, "--text-from")
        given[name] = _read(Path(path))
    request = pb.StageChargebackEvidenceRequest(
        request_id=new_key(request_id),
        chargeback_id=chargeback_id,
        evidence=given,
        reason=reason,
    )
    answer = call_service(lambda it: it.chargebacks.StageChargebackEvidence, request, tenant=tenant)
    show(answer, as_json=as_json)


@app.command("submit")
def submit(
    chargeback_id: ChargebackId,
    reason: Reason,
    hash_: Hash = "",
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Gives it to the bank: once, and for good. Without --hash, --dry-run says what it is."""
    if not hash_ and not dry_run:
        says = "must be what `escrow chargebacks evidence preview` said"
        raise typer.BadParameter(says, param_hint="--hash")
    if not hash_:
        seen = pb.PreviewChargebackEvidenceRequest(chargeback_id=chargeback_id)
        hash_ = call(preview_chargeback_evidence, seen, tenant=tenant).evidence.hash
    request = pb.SubmitChargebackEvidenceRequest(
        request_id=new_key(request_id),
        chargeback_id=chargeback_id,
        evidence_hash=hash_,
        reason=reason,
        validate_only=dry_run,
    )
    answer = call_service(
        lambda it: it.chargebacks.SubmitChargebackEvidence, request, tenant=tenant
    )
    show(answer, as_json=as_json, dry_run=dry_run)


@app.command("list")
def list_(
    chargeback_id: ChargebackId,
    tenant: Tenant = "default",
    page_token: PageToken = "",
    *,
    as_json: AsJson = False,
) -> None:
    """What was staged and submitted, by whom; with --json also its texts."""
    condition = f'chargeback_id = "{chargeback_id}"'
    request = pb.ListChargebackEvidenceRequest(page_token=page_token, filter=condition)
    show_list(call(list_chargeback_evidence, request, tenant=tenant), COLUMNS, as_json=as_json)


def _named(given: str, option: str) -> tuple[str, str]:
    name, sign, value = given.partition("=")
    if not sign:
        raise typer.BadParameter(f"{given!r} is not field=...", param_hint=option)
    return name, value


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        says = f"{path} cannot be read as text: {problem}"
        raise typer.BadParameter(says, param_hint="--text-from") from problem


def _print_preview(found: pb.PreviewChargebackEvidenceResponse) -> None:
    """A field with its text below it, then how much it is, its hash, and what is in the way."""
    for each in found.evidence.fields:
        given = " (given by an operator)" if each.given else ""
        people.print(f"{each.name}{given}", style="bold", markup=False)
        _say(f"{each.text}\n")
    _say(f"characters: {found.evidence.characters:,} of {MOST_TOGETHER:,}")
    if found.HasField("due_time"):
        _say(f"due: {text_of(found, 'due_time', found.due_time)}")
    for blocker in found.blockers:
        _say(f"cannot be sent now: {blocker}")
    if found.costs:
        _say(f"costs: {found.costs}")
    _say(f"hash: {found.evidence.hash}")


def _say(text: str) -> None:
    people.print(text, markup=False, soft_wrap=True)
