"""What a refusal looks like to a gRPC client: THE table refusal -> status, and the rich details.

Every error carries an ErrorInfo (its reason is the refusal's class in UPPER_SNAKE_CASE), and where
they fit a BadRequest, PreconditionFailure or RetryInfo (google/rpc/error_details.proto). This is
the only place where a call is aborted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import (  # type: ignore[import-untyped] # googleapis ships without types
    error_details_pb2,
    status_pb2,
)
from grpc import StatusCode

from service.domain.errors import (
    AlreadyExists,
    Busy,
    Conflict,
    DataLoss,
    DeadlineExpired,
    Invalid,
    InvalidField,
    Missing,
    NotAllowed,
    OutOfRange,
    Overloaded,
    Precondition,
    ProcessStops,
    Refusal,
    Unauthenticated,
    Unavailable,
)

DOMAIN = "escrow.v1"


class Internal(Refusal):
    """The service failed, and has reported itself; the trace_id finds what happened."""


STATUSES: Mapping[type[Refusal], StatusCode] = {
    Invalid: StatusCode.INVALID_ARGUMENT,
    OutOfRange: StatusCode.OUT_OF_RANGE,
    Unauthenticated: StatusCode.UNAUTHENTICATED,
    NotAllowed: StatusCode.PERMISSION_DENIED,
    Missing: StatusCode.NOT_FOUND,
    AlreadyExists: StatusCode.ALREADY_EXISTS,
    Conflict: StatusCode.ABORTED,
    Precondition: StatusCode.FAILED_PRECONDITION,
    DataLoss: StatusCode.DATA_LOSS,
    Unavailable: StatusCode.UNAVAILABLE,
    Overloaded: StatusCode.RESOURCE_EXHAUSTED,
    DeadlineExpired: StatusCode.DEADLINE_EXCEEDED,
    Internal: StatusCode.INTERNAL,
    Refusal: StatusCode.UNKNOWN,  # and a test proves that no caller gets this
}
"""For each refusal the entry of its nearest ancestor counts."""

RETRY_AFTER_MS: Mapping[type[Refusal], int] = {
    Busy: 100,
    ProcessStops: 100,
    Unavailable: 1_000,
}
"""What may be sent again as it is, and when. Clients with a retry policy wait that long."""

# A client drops a call whose trailers are larger than 8 KiB, and would see no reason at all.
_VIOLATIONS_MAX_BYTES = 4_000
MOST_BLOCKERS = 20


def status_of(refusal: type[Refusal]) -> StatusCode:
    """The status of this kind of refusal."""
    return next(STATUSES[cls] for cls in refusal.__mro__ if cls in STATUSES)


async def abort(context: grpc.aio.ServicerContext[Any, Any], refusal: Refusal) -> None:
    """Ends the call with the refusal's status, message and details."""
    code = status_of(type(refusal))
    rich = status_pb2.Status(code=code.value[0], message=refusal.message)
    for detail in _details(refusal):
        rich.details.add().Pack(detail)
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", rich.SerializeToString())
    ]
    retry_after_ms = _retry_after_ms(refusal)
    if retry_after_ms is not None:
        trailers.append(("grpc-retry-pushback-ms", str(retry_after_ms)))
    try:
        await context.abort(code, refusal.message, tuple(trailers))
    except grpc.aio.AbortError as aborted:
        # gRPC keeps it beside the context, and raises it again when the handler returns. With its
        # traceback it would keep our frames, and the request, until the garbage collector comes.
        aborted.__traceback__ = None


def _retry_after_ms(refusal: Refusal) -> int | None:
    if isinstance(refusal, Overloaded):
        return refusal.retry_after_ms
    delays = (RETRY_AFTER_MS.get(ancestor) for ancestor in type(refusal).__mro__)
    return next((delay for delay in delays if delay is not None), None)


def _details(refusal: Refusal) -> Iterable[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=refusal.reason(), domain=DOMAIN, metadata=dict(refusal.metadata)
    )
    if isinstance(refusal, InvalidField):
        yield _bad_request(refusal)
    if isinstance(refusal, Precondition):
        yield _precondition_failure(refusal)
    retry_after_ms = _retry_after_ms(refusal)
    if retry_after_ms is not None:
        delay = Duration()
        delay.FromMilliseconds(retry_after_ms)
        yield error_details_pb2.RetryInfo(retry_delay=delay)


def _bad_request(refusal: InvalidField) -> Message:
    shown, size_bytes = [], 0
    for violation in refusal.violations:
        size_bytes += len(f"{violation.field}{violation.description}".encode())
        if size_bytes > _VIOLATIONS_MAX_BYTES:
            break
        shown.append({"field": violation.field, "description": violation.description})
    bad_request: Message = error_details_pb2.BadRequest(field_violations=shown)
    return bad_request


def _precondition_failure(refusal: Precondition) -> Message:
    """A violation of the refusal itself, about the first id in its metadata; and one for each
    blocker behind it, whose type is its rule.
    """
    ids = (value for key, value in refusal.metadata.items() if key.endswith("_id"))
    violations = [
        {"type": refusal.reason(), "subject": next(ids, ""), "description": refusal.message}
    ]
    for each in refusal.blockers[:MOST_BLOCKERS]:
        type_, description = each.rule or refusal.reason(), each.description
        violations.append({"type": type_, "subject": each.subject, "description": description})
    failure: Message = error_details_pb2.PreconditionFailure(violations=violations)
    return failure
