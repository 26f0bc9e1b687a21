"""What happens around every call: trace it, identify, allow, parse, check, run, answer.

One story rather than a tower of gRPC's interceptors: the order is the point, and here it can be
read. Nor is it one of them: gRPC runs them as a coroutine more for every call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from math import inf
from typing import Any, TypeAlias, cast

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from grpc import StatusCode
from structlog.contextvars import bind_contextvars

from service.access import Access
from service.admission import Admission
from service.domain.call import Call, Party
from service.domain.errors import (
    DeadlineExpired,
    FieldViolation,
    Invalid,
    InvalidField,
    NotYours,
    PartyNotAllowed,
    PermissionMissing,
    ReaderTooSlow,
    Refusal,
)
from service.rpc.contract import ContractError, access_table
from service.rpc.errors import Internal, abort, status_of
from service.rpc.identity.caller import Caller, Identify, Metadata, call_of
from service.rpc.identity.roles import permits
from service.rpc.rate_limits import RateLimit
from service.rpc.sending import Sending
from service.rpc.streams import Streams
from service.rpc.times import Truncate, compile_truncation
from service.rpc.tracing import ServedCall, Tracer
from service.rpc.validate import Validator, compile_validator

Context = grpc.aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

Answering: TypeAlias = (
    "Callable[[Endpoint, bytes, Metadata, Context, ServedCall], Awaitable[bytes | None]]"
)

MOST_METADATA = 64

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Method:
    """What the contract says about one method."""

    name: str  # "escrow.v1.EscrowService/GetEscrow"
    access: Access
    validate: Validator
    truncate: Truncate | None  # None where a request has no time


def methods_of(services: Iterable[ServiceDescriptor]) -> Mapping[str, Method]:
    """The methods of the services by their path, "/escrow.v1.EscrowService/GetEscrow".

    Raises:
        ContractError: a method does not say who may call it, or a field's rules do not fit it.
    """
    services = list(services)
    access = access_table(services)
    methods = {}
    for service in services:
        for method in service.methods:
            if method.client_streaming:
                raise ContractError(f"{method.full_name}: streams of requests are not served")
            name = f"{service.full_name}/{method.name}"
            asked = method.input_type
            methods[f"/{name}"] = Method(
                name, access[f"/{name}"], compile_validator(asked), compile_truncation(asked)
            )
    return methods


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A method with what serves it."""

    method: Method
    read: Callable[[bytes], Message]
    run: Callable[[Call, Message], Any]
    """Answers an awaitable of the response; of a stream, an asynchronous iterator of responses."""
    write: Callable[[Message], bytes]
    admission: Admission
    rate_limit: RateLimit | None = None


CheckOwn: TypeAlias = Callable[[Call, Message], Awaitable[None]]
"""Refuses a request that is not about what belongs to the call's end user."""


async def refuse_end_users(_: Call, __: Message) -> None:
    """For services that know of no end users."""
    raise NotYours


class Edge:
    """Stands around every method of our contract.

    A call without a deadline gets ``default_deadline_s``. Whatever is raised inside becomes a
    status: a Refusal its own, anything else INTERNAL with nothing inside but the trace id.
    """

    def __init__(
        self,
        identify: Identify,
        *,
        default_deadline_s: float,
        check_own: CheckOwn = refuse_end_users,
        streams: Streams | None = None,
    ) -> None:
        self._identify = identify
        self.streams = streams or Streams()
        self._check_own = check_own
        self._default_deadline_s = default_deadline_s
        self._tracer = Tracer()

    def around(self, endpoint: Endpoint) -> Handler:
        """The handler of a method, for a server."""
        return self._around(endpoint, self._answer, grpc.unary_unary_rpc_method_handler)

    def around_stream(self, endpoint: Endpoint) -> Handler:
        """The handler of a method whose responses are a stream."""
        return self._around(endpoint, self._stream, grpc.unary_stream_rpc_method_handler)

    def _around(
        self, endpoint: Endpoint, answering: Answering, handler: Callable[[Any], Handler]
    ) -> Handler:
        name = endpoint.method.name

        async def serve(body: bytes, context: Context) -> bytes | None:
            metadata = context.invocation_metadata() or ()
            with self._tracer.serve(name, metadata) as served:
                bind_contextvars(rpc=name)  # for every log line inside
                try:
                    answer = await answering(endpoint, body, metadata, context, served)
                except Refusal as refused:
                    refusal = refused
                    log.info("call refused", reason=refusal.reason())
                except asyncio.CancelledError as error:
                    if _is_canceled_from_outside():
                        served.code = _code_of_cancellation(context)
                        raise
                    refusal = _report(error, served)  # else the client would wait for ever
                except Exception as error:  # noqa: BLE001 - the last place to stop it; reported
                    refusal = _report(error, served)
                else:
                    served.code = StatusCode.OK
                    return answer
                served.code = status_of(type(refusal))
                # Its traceback leads back here, and would keep the request as well (see abort).
                await abort(context, refusal.with_traceback(None))
                return b""  # is not sent: the call has ended

        # Bytes in, bytes out: reading and writing messages can fail as well, so it happens inside.
        return handler(serve)

    async def _stream(
        self,
        endpoint: Endpoint,
        body: bytes,
        metadata: Metadata,
        context: Context,
        served: ServedCall,
    ) -> None:
        """The story of a stream: it may be open for as long as its caller may call the method."""
        _check_metadata(metadata)

        async def admitted() -> Caller:
            caller = await self._identify(metadata, context)
            _check_access(caller, endpoint.method)
            return caller

        async def write(message: Message) -> None:
            await context.write(endpoint.write(message))

        caller = await admitted()
        if endpoint.rate_limit:
            endpoint.rate_limit.check(caller)
        with self.streams.open(endpoint.method.name, caller):
            remaining_s = _remaining_s(context)
            answer_by = inf if remaining_s is None else _now() + remaining_s
            call, request = await self._read(endpoint, body, caller, served, answer_by)
            async with aclosing(endpoint.run(call, request)) as messages:
                try:
                    await Sending(messages, write, admitted, self.streams).run()
                except ReaderTooSlow:
                    ended = self.streams.cut(caller)
                    context.add_done_callback(ended)  # type: ignore[arg-type]  # any callable
                    raise

    async def _answer(
        self,
        endpoint: Endpoint,
        body: bytes,
        metadata: Metadata,
        context: Context,
        served: ServedCall,
    ) -> bytes:
        """The story of a call that goes well."""
        _check_metadata(metadata)
        caller = await self._identify(metadata, context)
        _check_access(caller, endpoint.method)
        if endpoint.rate_limit:
            endpoint.rate_limit.check(caller)
        remaining_s = _remaining_s(context)
        if remaining_s is None:
            answer_by = _now() + self._default_deadline_s
            return await self._limited(self._run(endpoint, body, caller, served, answer_by))
        if remaining_s <= 0:
            raise DeadlineExpired
        return await self._run(endpoint, body, caller, served, _now() + remaining_s)

    async def _run(
        self,
        endpoint: Endpoint,
        body: bytes,
        caller: Caller,
        served: ServedCall,
        answer_by: float,
    ) -> bytes:
        """Runs the method as soon as it has a place for the call."""
        place = await endpoint.admission.enter(answer_by)
        try:
            call, request = await self._read(endpoint, body, caller, served, answer_by)
            return endpoint.write(await endpoint.run(call, request))
        finally:
            place.leave()

    async def _read(
        self,
        endpoint: Endpoint,
        body: bytes,
        caller: Caller,
        served: ServedCall,
        answer_by: float,
    ) -> tuple[Call, Message]:
        """The request, which may be what it is and about what it is about."""
        request = _parse(endpoint, body)
        endpoint.method.validate(request)
        if endpoint.method.truncate:
            endpoint.method.truncate(request)
        _check_reason(caller, request)
        approvals = endpoint.method.access.approvals_for(caller.party)
        call = call_of(caller, request, served.traceparent, answer_by, approvals)
        if call.end_user:
            await self._check_own(call, request)
        return call, request

    async def _limited(self, running: Awaitable[bytes]) -> bytes:
        """Only a call without a deadline needs a limit from us; gRPC cancels the others itself."""
        limit = asyncio.timeout(self._default_deadline_s)
        try:
            async with limit:
                return await running
        except TimeoutError:
            if limit.expired():
                raise DeadlineExpired from None
            raise


def _now() -> float:
    return asyncio.get_running_loop().time()


def _check_metadata(metadata: Metadata) -> None:
    """GRPC itself limits the size; a crowd of small ones costs more than it weighs."""
    if sum(1 for _ in metadata) > MOST_METADATA:
        says = f"must hold at most {MOST_METADATA} entries"
        raise InvalidField(FieldViolation("metadata", says))


def _check_access(caller: Caller, method: Method) -> None:
    """Raises PermissionMissing, PartyNotAllowed."""
    permission, parties, *_ = method.access
    if not permits(caller.role, permission):
        raise PermissionMissing(method=method.name, permission=permission, role=caller.role.name)
    if caller.party not in parties:
        allowed = ", ".join(sorted(parties))
        raise PartyNotAllowed(party=caller.party, allowed=allowed, method=method.name)


def _check_reason(caller: Caller, request: Message) -> None:
    """Who acts in another's place says why, wherever the contract has a place for it.

    Raises:
        InvalidField.
    """
    if caller.party is Party.OPERATOR and not getattr(request, "reason", "-").strip():
        raise InvalidField(FieldViolation("reason", "is required of operators"))


def _parse(endpoint: Endpoint, body: bytes) -> Message:
    try:
        return endpoint.read(body)
    except DecodeError:
        raise Invalid("The request is not a message of the method's request type.") from None


def _remaining_s(context: Context) -> float | None:
    return cast("float | None", context.time_remaining())  # the stubs forget the None


def _code_of_cancellation(context: Context) -> StatusCode:
    """The deadline passed, or else the client left, or the server stops."""
    remaining_s = _remaining_s(context)
    is_late = remaining_s is not None and remaining_s <= 0
    return StatusCode.DEADLINE_EXCEEDED if is_late else StatusCode.CANCELLED


def _is_canceled_from_outside() -> bool:
    """Whether this task was canceled itself, rather than something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _report(error: BaseException, served: ServedCall) -> Internal:
    log.error("call failed", exc_info=error)
    return Internal(trace_id=served.trace_id)
