"""What a refused call says, typed: the details that the service sends with every error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import (  # type: ignore[import-untyped]  # no py.typed
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    RetryInfo,
)
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no py.typed

__all__ = ["ErrorDetails", "FieldViolation", "PreconditionViolation", "details_of", "reason_of"]


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field of the request; ``field`` is its path:
    ``milestones[0].amount_minor``.
    """

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class PreconditionViolation:
    """What stands in the way of a request: the refusal itself first, then each blocker. ``type`` is
    its rule ("FREEZE"), ``subject`` the id of what it is about ("frz_...").
    """

    type: str
    subject: str
    description: str


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """Why the service refused.

    ``reason`` is in UPPER_SNAKE_CASE, and empty when the answer came from somewhere else: a proxy,
    or the local channel. ``message`` is a sentence for a person. ``metadata`` has what a program
    needs: ids, amounts in minor units as text. ``retry_delay_s`` says that the same request may
    help, and when; None where it does not.
    """

    reason: str = ""
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    field_violations: tuple[FieldViolation, ...] = ()
    precondition_violations: tuple[PreconditionViolation, ...] = ()
    retry_delay_s: float | None = None


def details_of(error: grpc.RpcError) -> ErrorDetails:
    """Reads the details of an error of either client."""
    if not hasattr(error, "details"):  # no call's
        return ErrorDetails(message=str(error))
    call = cast("grpc.Call", error)  # what a client raises is both, and its types do not say so
    message = call.details() or ""
    status, info, bad_request, retry = Status(), ErrorInfo(), BadRequest(), RetryInfo()
    failure, has_retry = PreconditionFailure(), False
    try:
        status.ParseFromString(_status_of(call))
        for detail in status.details:
            has_retry |= detail.Unpack(retry)
            for known in (info, bad_request, failure):
                detail.Unpack(known)
    except DecodeError:  # not a google.rpc.Status
        return ErrorDetails(message=message)
    return ErrorDetails(
        reason=info.reason,
        message=message,
        metadata=dict(info.metadata),
        field_violations=tuple(
            FieldViolation(each.field, each.description) for each in bad_request.field_violations
        ),
        precondition_violations=tuple(
            PreconditionViolation(each.type, each.subject, each.description)
            for each in failure.violations
        ),
        retry_delay_s=retry.retry_delay.ToTimedelta().total_seconds() if has_retry else None,
    )


def reason_of(error: grpc.RpcError) -> str:
    """Why the service refused, in UPPER_SNAKE_CASE (google.rpc.ErrorInfo), or "" if it is not said.

    It is not said when the answer came from somewhere else: a proxy, or the local channel.
    """
    return details_of(error).reason


def _status_of(call: grpc.Call) -> bytes:
    trailers = cast("Iterable[tuple[str, str | bytes]]", call.trailing_metadata() or ())
    for key, value in trailers:
        if key == "grpc-status-details-bin":
            return cast("bytes", value)  # by its name's ending
    return b""
