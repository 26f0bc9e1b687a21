"""``escrow policy``: what a tenant charges and takes, by version, and a file that changes it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer

from escrow.v1 import policy_service_pb2 as pb
from service.cli.calling import call_service
from service.cli.numbers import whole_number
from service.cli.operating import DryRun, Reason, RequestId, Tenant, call, new_key
from service.cli.policy_files import (
    PolicyProblem,
    as_yaml,
    change_lines,
    changes,
    read_file,
)
from service.cli.printing import AsJson, people, print_json, write
from service.domain.policy import Policy
from service.operations.policies.list_policy_versions import list_policy_versions
from service.operations.policies.messages import policy_message, policy_of
from service.policy_documents import write_policy

app = typer.Typer(help="What a tenant charges and takes, by version.", no_args_is_help=True)
File = Annotated[Path, typer.Argument(help="YAML or JSON; `escrow policy show` writes one.")]
_Listed = pb.ListPolicyVersionsResponse
Version = Annotated[
    int, typer.Option("--version", parser=whole_number(), help="Which; the newest when 0.")
]


@app.command()
def show(tenant: Tenant = "default", version: Version = 0, *, as_json: AsJson = False) -> None:
    """A version as a file: change it, and apply it."""
    found = _version(tenant, version)
    policy = policy_of(found.policy)
    if as_json:
        print_json(_facts(found) | {"policy": write_policy(policy)})
        return
    made = f", {found.create_time.ToDatetime(UTC):%Y-%m-%d} by {found.created_by}"
    since = made if found.created_by else ""
    write(f"# policy version {found.policy_version} of {tenant}{since}: {found.reason}\n")
    write(as_yaml(policy))


@app.command()
def lint(file: File, *, as_json: AsJson = False) -> None:
    """Whether a file can be applied, and every place where not; it needs no database."""
    policy = read_file(file)
    if as_json:
        print_json({"ok": True, "currencies": sorted(policy.currencies)})
        return
    people.print(f"{file} can be applied: {', '.join(sorted(policy.currencies))}", markup=False)


@app.command()
def diff(file: File, tenant: Tenant = "default", *, as_json: AsJson = False) -> None:
    """What new escrows would get otherwise than by the newest version; the others keep theirs."""
    policy = read_file(file)
    newest = _version(tenant, 0)
    before = policy_of(newest.policy)
    _tell(before, policy, as_json=as_json, policy_version=newest.policy_version)


@app.command()
def apply(
    file: File,
    reason: Reason,
    tenant: Tenant = "default",
    request_id: RequestId = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Makes a file the newest version, which new escrows get. Nothing is done where it says the
    same already, and it is refused when another version came meanwhile.
    """
    policy = read_file(file)
    newest = _version(tenant, 0, ask=_ask_service)
    before = policy_of(newest.policy)
    if before == policy:
        _tell(before, policy, as_json=as_json, policy_version=newest.policy_version)
        return
    request = pb.CreatePolicyVersionRequest(
        request_id=new_key(request_id),
        policy=policy_message(policy),
        reason=reason,
        after_version=newest.policy_version,
        validate_only=dry_run,
    )
    made = call_service(
        lambda it: it.policies.CreatePolicyVersion, request, tenant=tenant
    ).version.policy_version
    _tell(before, policy, as_json=as_json, policy_version=made, dry_run=dry_run)


def _ask_service(tenant: str, request: pb.ListPolicyVersionsRequest) -> _Listed:
    return call_service(lambda it: it.policies.ListPolicyVersions, request, tenant=tenant)


def _read(tenant: str, request: pb.ListPolicyVersionsRequest) -> _Listed:
    return call(list_policy_versions, request, tenant=tenant)


def _version(
    tenant: str,
    number: int,
    ask: Callable[[str, pb.ListPolicyVersionsRequest], _Listed] = _read,
) -> pb.PolicyVersion:
    """One of them, the newest for 0."""
    request = pb.ListPolicyVersionsRequest(page_size=100 if number else 1)
    while True:
        listed = ask(tenant, request)
        for each in listed.versions:
            if number in (0, each.policy_version):
                return each
        if not listed.next_page_token:
            raise PolicyProblem(f"tenant {tenant} has no readable policy version {number or ''}")
        request.page_token = listed.next_page_token


def _facts(version: pb.PolicyVersion) -> dict[str, object]:
    return {
        "policy_version": version.policy_version,
        "created_by": version.created_by,
        "reason": version.reason,
    }


def _tell(
    before: Policy, after: Policy, *, as_json: bool, policy_version: int, dry_run: bool = False
) -> None:
    if as_json:
        found = [each._asdict() for each in changes(before, after)]
        told = {"policy_version": policy_version, "changes": found}
        print_json(told | ({"dry_run": True} if dry_run else {}))
        return
    for line in change_lines(before, after):
        people.print(line, markup=False, soft_wrap=True)
    if dry_run:
        people.print(f"dry run: nothing is written; it would be version {policy_version}")
    elif before != after:
        people.print(
            f"version {policy_version} is for new escrows; the others keep theirs,"
            " but for approvals, which hold for all"
        )
    else:
        people.print(f"version {policy_version} says the same already")
