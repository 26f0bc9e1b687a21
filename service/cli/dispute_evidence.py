"""``escrow disputes evidence``: notes and files that the parties and operators gave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from escrow.v1 import dispute_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.operating import (
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
from service.cli.printing import AsJson, document_of, people, print_json
from service.domain.evidence import LARGEST_FILE_BYTES
from service.operations.disputes.get_dispute import get_dispute
from service.operations.disputes.list_dispute_evidence import list_dispute_evidence

COLUMNS = (
    *("id", "party", "note", "content_type", "file_name", "size_bytes", "sha256", "create_time"),
)

app = typer.Typer(help="What was given in a dispute.", no_args_is_help=True)
DisputeId = Annotated[str, typer.Argument(help='"dsp_..."')]
EvidenceId = Annotated[str, typer.Argument(help='"dse_..."')]
Note = Annotated[str, typer.Option(help="What to say, for both parties.")]
File = Annotated[
    Path | None,
    typer.Option(help="A PDF, JPEG, PNG or a text in UTF-8, of at most 1,000,000 bytes."),
]
Output = Annotated[
    Path | None, typer.Option(help="Where to write its file; a file that is there is left alone.")
]


@app.command("list")
def list_(
    dispute_id: DisputeId,
    tenant: Tenant = "default",
    page_token: PageToken = "",
    *,
    as_json: AsJson = False,
) -> None:
    """What was given, by whom, newest first."""
    request = pb.ListDisputeEvidenceRequest(
        page_size=200, page_token=page_token, filter=f'dispute_id = "{dispute_id}"'
    )
    show_list(call(list_dispute_evidence, request, tenant=tenant), COLUMNS, as_json=as_json)


@app.command("get")
def get(
    dispute_id: DisputeId,
    evidence_id: EvidenceId,
    output: Output = None,
    tenant: Tenant = "default",
    *,
    as_json: AsJson = False,
) -> None:
    """One piece, and its file. The service reads it, because it may be in a bucket."""
    request = pb.GetDisputeEvidenceRequest(dispute_id=dispute_id, evidence_id=evidence_id)
    found = call_service(lambda it: it.disputes.GetDisputeEvidence, request, tenant=tenant)
    if output:
        _write(output, found.content)
    if as_json:
        print_json({"evidence": document_of(found.evidence), "output": str(output or "")})
        return
    print_facts(found.evidence)
    if output:
        people.print(f"written to {output}", markup=False, soft_wrap=True)


@app.command("add")
def add(
    dispute_id: DisputeId,
    reason: Reason,
    note: Note = "",
    file: File = None,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Adds a note or a file, as an operator: both parties can read it, and it stays."""
    request = pb.AddDisputeEvidenceRequest(
        request_id=new_key(request_id),
        escrow_id=_escrow_of(dispute_id, tenant),
        dispute_id=dispute_id,
        note=note,
        content=_read(file) if file else b"",
        file_name=file.name if file else "",
        reason=reason,
    )
    answer = call_service(lambda it: it.disputes.AddDisputeEvidence, request, tenant=tenant)
    show(answer, as_json=as_json)


def _escrow_of(dispute_id: str, tenant: str) -> str:
    request = pb.GetDisputeRequest(dispute_id=dispute_id)
    return call(get_dispute, request, tenant=tenant).dispute.escrow_id


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as problem:
        says = f"{path} cannot be read: {problem.strerror}"
        raise typer.BadParameter(says, param_hint="--file") from problem
    if not 0 < len(content) <= LARGEST_FILE_BYTES:
        says = f"{path} is empty, or has more than {LARGEST_FILE_BYTES:,} bytes"
        raise typer.BadParameter(says, param_hint="--file")
    return content


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as problem:
        says = f"{path} cannot be written: {problem.strerror}"
        raise typer.BadParameter(says, param_hint="--output") from problem
