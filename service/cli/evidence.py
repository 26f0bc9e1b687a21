"""``escrow chargebacks evidence``: what is sent to a payer's bank against a chargeback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

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
from service.domain.evidence import LARGEST_FILE_BYTES, MOST_TOGETHER
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
Files = Annotated[
    list[str] | None,
    typer.Option("--file", help="A PDF, JPEG or PNG for one of Stripe's fields: receipt=r.pdf"),
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
def stage(  # noqa: PLR0913  as many as there are options
    chargeback_id: ChargebackId,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    texts: Texts = None,
    text_files: TextFiles = None,
    files: Files = None,
    as_json: AsJson = False,
) -> None:
    """Puts it on the dispute at Stripe, with what you add. The bank does not get it yet."""
    key = new_key(request_id)
    given = dict(_each(texts, "--text"))
    given |= {name: _read(Path(path)) for name, path in _each(text_files, "--text-from")}
    contents = [(name, _content(Path(path))) for name, path in _each(files, "--file")]
    for name, content in contents:
        upload = pb.UploadChargebackEvidenceFileRequest(
            request_id=str(uuid5(NAMESPACE_URL, f"{key}/{name}")),
            chargeback_id=chargeback_id,
            content=content,
            reason=reason,
        )
        given[name] = _upload(upload, tenant)
    request = pb.StageChargebackEvidenceRequest(
        request_id=key,
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


def _each(given: Sequence[str] | None, option: str) -> Iterator[tuple[str, str]]:
    for each in given or ():
        name, sign, value = each.partition("=")
        if not sign:
            raise typer.BadParameter(f"{each!r} is not field=...", param_hint=option)
        yield name, value


def _upload(request: pb.UploadChargebackEvidenceFileRequest, tenant: str) -> str:
    answer = call_service(
        lambda it: it.chargebacks.UploadChargebackEvidenceFile, request, tenant=tenant
    )
    return answer.file.id


def _content(path: Path) -> bytes:
    """Of a file of a type that Stripe takes, by what it begins with."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as problem:
        says = f"{path} cannot be read: {problem.strerror}"
        raise typer.BadParameter(says, param_hint="--file") from problem
    if len(content) > LARGEST_FILE_BYTES:
        says = f"{path} has more than {LARGEST_FILE_BYTES:,} bytes: upload it in Stripe's dashboard"
        raise typer.BadParameter(says, param_hint="--file")
    return content


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
