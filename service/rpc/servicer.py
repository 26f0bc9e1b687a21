"""Makes gRPC services out of operations: each method of the contract is one plain function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from service.admission import Admission, places_of
from service.domain.call import Call
from service.rpc.contract import ContractError
from service.rpc.edge import Edge, Endpoint, methods_of
from service.rpc.rate_limits import RateLimits

Runtime = TypeVar("Runtime")
Operation = Callable[[Runtime, Call, Any], Awaitable[Message] | AsyncIterator[Message]]
"""What serves a method: the runtime, the cause, the request -> the response, or the responses of a
stream, or a Refusal.
"""

NO_LIMITS = RateLimits()


def add_services(
    server: grpc.aio.Server,
    runtime: Runtime,
    services: Iterable[ServiceDescriptor],
    operations: Mapping[str, Operation[Runtime]],
    edge: Edge,
    rate_limits: RateLimits = NO_LIMITS,
) -> None:
    """Serves every method by the operation of its name.

    Raises:
        ContractError: a method has no operation, an operation no method, or the contract does not
            say all that must be known of a method.
    """
    services = list(services)
    _check_complete(services, operations)
    methods = methods_of(services)
    for service in services:
        handlers = {
            method.name: (edge.around_stream if method.server_streaming else edge.around)(
                Endpoint(
                    methods[f"/{service.full_name}/{method.name}"],
                    read=GetMessageClass(method.input_type).FromString,
                    run=partial(operations[method.name], runtime),
                    write=_serialize,
                    admission=Admission(
                        f"{service.full_name}/{method.name}", most=places_of(method.name)
                    ),
                    rate_limit=rate_limits.of(f"{service.full_name}/{method.name}"),
                )
            )
            for method in service.methods
        }
        server.add_registered_method_handlers(service.full_name, handlers)


def _serialize(response: Message) -> bytes:
    """The same bytes for the same answer: a replay gets byte for byte what the first call got."""
    return response.SerializeToString(deterministic=True)


def _check_complete(services: Iterable[ServiceDescriptor], operations: Iterable[str]) -> None:
    methods = [method.name for service in services for method in service.methods]
    if len(set(methods)) < len(methods):
        raise ContractError("two services have a method of the same name")
    if missing := set(methods) - set(operations):
        raise ContractError(f"no operation serves: {', '.join(sorted(missing))}")
    if unknown := set(operations) - set(methods):
        raise ContractError(f"the contract has no method: {', '.join(sorted(unknown))}")
