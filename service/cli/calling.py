"""How commands that change something do it: they call the service, as an operator.

Those that only read go to the database, and need no service (see operating.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import grpc
import typer
from google.protobuf.message import Message

from escrow.client import ErrorDetails, SyncEscrowClient, TokenFile, connect_sync, details_of
from service.cli.person import named_person, person
from service.cli.service_access import ServiceAccess
from service.config import read_settings
from service.rpc.identity.caller import IS_NAME, PERSON

# What gRPC says when no connection came about; all else is about one that was there.
NOBODY_THERE = ("Failed to connect to remote host", "errors resolving")
DEADLINE_S = 60.0  # some ask Stripe first
CALLER = "cli"  # what ESCROW_AUTH=development believes; elsewhere the identity has a name

Asked_contra = TypeVar("Asked_contra", bound=Message, contravariant=True)
Answer_co = TypeVar("Answer_co", bound=Message, covariant=True)


class ServiceRefusal(Exception):
    """The service was called, and said no. ``status`` is the gRPC status."""

    def __init__(self, status: str, details: ErrorDetails) -> None:
        super().__init__(details.message)
        self.status = status
        self.details = details
        self.violations = details.field_violations


class NoAnswer(Exception):
    """The service could not be called, or its answer did not come. The message is one line."""


class Method(Protocol[Asked_contra, Answer_co]):
    """A method of a stub."""

    def __call__(
        self, request: Asked_contra, /, *, metadata: tuple[tuple[str, str], ...]
    ) -> Answer_co: ...


def call_service(
    method: Callable[[SyncEscrowClient], Method[Asked_contra, Answer_co]],
    request: Asked_contra,
    *,
    tenant: str,
) -> Answer_co:
    """Calls the method for a tenant, in the name of who works with this command line.

    Raises:
        ConfigError, CredentialsUnusable, NoAnswer, ServiceRefusal.
        typer.BadParameter: it is not said who works here.
    """
    if not IS_NAME(tenant):
        raise typer.BadParameter(f"{tenant!r} is no tenant's name", param_hint="--tenant")
    access = read_settings(ServiceAccess)
    # A token is a person's own; a certificate may be everybody's who works on this machine.
    who = named_person() if access.token_file else person()
    metadata = ((PERSON, who),) if who else ()
    with connect_sync(
        access.target,
        tenant=tenant,
        caller=CALLER,
        deadline_s=DEADLINE_S,
        credentials=access.tls_files,
        token=TokenFile(access.token_file) if access.token_file else None,
    ) as client:
        try:
            return method(client.acting("operator"))(request, metadata=metadata)
        except grpc.RpcError as error:
            raise _problem(error, request, access) from None


def _problem(error: grpc.RpcError, request: Message, access: ServiceAccess) -> Exception:
    details = details_of(error)
    status: grpc.StatusCode = error.code()
    if details.reason or status not in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ):
        return ServiceRefusal(status.name, details)
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        says = f"the service at {access.target} did not answer within {DEADLINE_S:.0f} s"
    else:
        says = _no_connection(access, details.message.rpartition("last error: ")[2])
    if key := getattr(request, "request_id", ""):
        says += f". With --request-id {key} it is not done twice"
    return NoAnswer(says)


def _no_connection(access: ServiceAccess, why: str) -> str:
    if any(sign in why for sign in NOBODY_THERE):
        return (
            f"nothing answers at {access.target} ({why}): start the service (escrow serve), or set"
            " ESCROW_SERVICE_TARGET to where it runs"
        )
    how = "" if access.ca_file else ", which was plain text as ESCROW_SERVICE_CA_FILE is not set"
    return (
        f"no connection to the service at {access.target}{how} ({why}): set ESCROW_SERVICE_CA_FILE"
        " to whose certificate it has, and ESCROW_OPERATOR_CERTIFICATE_FILE and"
        " ESCROW_OPERATOR_KEY_FILE to a certificate that it accepts"
    )
