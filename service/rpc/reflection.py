"""The contract, told to tools that ask for it: ``buf curl``, ``grpcurl``, Postman.

Two versions of the protocol are in use. Their messages are the same, and grpcio-reflection brings
the older one only; so the newer one's description is made from it. A tool that lists the methods
of all services asks for the description of every name it was told, ours or not.
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1ALPHA = "grpc.reflection.v1alpha"
V1 = "grpc.reflection.v1"


def add_reflection(server: grpc.aio.Server, names: Iterable[str]) -> None:
    """Describes the services of these full names, and itself, in both versions."""
    _describe_v1()
    names = [*names, f"{V1}.ServerReflection", reflection.SERVICE_NAME]
    servicer = reflection.aio.ReflectionServicer(names)
    reflection.enable_server_reflection(names, server)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": handler}
    server.add_registered_method_handlers(f"{V1}.ServerReflection", handlers)


def _describe_v1() -> None:
    """Adds the file of v1: that of v1alpha under the other name. The same file twice is nothing."""
    newer = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(newer)
    newer.name = newer.name.replace("v1alpha", "v1")
    newer.package = V1
    for message in newer.message_type:
        for field in message.field:
            if field.type_name:  # of a message; a string has none, and may not get an empty one
                field.type_name = field.type_name.replace(V1ALPHA, V1)
    for method in newer.service[0].method:
        method.input_type = method.input_type.replace(V1ALPHA, V1)
        method.output_type = method.output_type.replace(V1ALPHA, V1)
    descriptor_pool.Default().AddSerializedFile(newer.SerializeToString())
