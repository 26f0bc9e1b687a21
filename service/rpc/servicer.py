"""Makes gRPC services out of operations: each method of the contract is one plain function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from service.domain.call import Call
from service.rpc.caller import call_of
from service.rpc.contract import ContractError

House = TypeVar("House")
Operation = Callable[[House, Call, Any], Awaitable[Message]]
"""What serves a method: the house, the cause, the request -> the response, or a Refusal."""


def add_services(
    server: grpc.aio.Server,
    house: House,
    services: Iterable[ServiceDescriptor],
    operations: Mapping[str, Operation[House]],
) -> None:
    """Serves every method by the operation of its name.

    Raises:
        ContractError: a method has no operation, or an operation no method.
    """
    services = list(services)
    _check_complete(services, operations)
    for service in services:
        handlers = {
            method.name: _handler(house, method, operations[method.name])
            for method in service.methods
        }
        server.add_registered_method_handlers(service.full_name, handlers)


def _serialize(response: Message) -> bytes:
    """The same bytes for the same answer: a replay is told byte for byte what was told first."""
    return response.SerializeToString(deterministic=True)


def _check_complete(services: Iterable[ServiceDescriptor], operations: Iterable[str]) -> None:
    methods = [method.name for service in services for method in service.methods]
    if len(set(methods)) < len(methods):
        raise ContractError("two services have a method of the same name")
    if missing := set(methods) - set(operations):
        raise ContractError(f"no operation serves: {', '.join(sorted(missing))}")
    if unknown := set(operations) - set(methods):
        raise ContractError(f"the contract has no method: {', '.join(sorted(unknown))}")


def _handler(
    house: House, method: MethodDescriptor, operation: Operation[House]
) -> grpc.RpcMethodHandler[Any, Any]:
    async def serve(request: Message, _context: grpc.aio.ServicerContext[Any, Any]) -> Message:
        return await operation(house, call_of(request), request)

    return grpc.unary_unary_rpc_method_handler(
        serve,
        request_deserializer=GetMessageClass(method.input_type).FromString,
        response_serializer=_serialize,
    )
