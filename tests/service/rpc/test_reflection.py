"""What a tool asks the server before it can call it, with the real protocol and the real buf."""

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE, STDOUT
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2 as pb

from service.rpc.grpc_server import Listening, serving
from service.rpc.identity.development import development_identify
from service.rpc.services import OPERATIONS, SERVICES

BUF = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
VERSIONS = ("v1", "v1alpha")
EVERYWHERE = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}


def serve(*, reflection: bool = True) -> AbstractAsyncContextManager[int]:
    listening = Listening("127.0.0.1", 0, 30, 300, 10, reflection)
    runtime: Any = None  # no operation is called
    return serving(runtime, SERVICES, OPERATIONS, development_identify({"default"}), listening)


async def ask(
    channel: grpc.aio.Channel, version: str, *requests: pb.ServerReflectionRequest
) -> list[pb.ServerReflectionResponse]:
    """One stream, as a tool uses it."""
    method: Any = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=pb.ServerReflectionRequest.SerializeToString,
        response_deserializer=pb.ServerReflectionResponse.FromString,
    )
    call = method(timeout=20)
    for request in requests:
        await call.write(request)
    await call.done_writing()
    return [response async for response in call]


def services_of(answer: pb.ServerReflectionResponse) -> set[str]:
    """The full names of the services in the files of an answer."""
    found = set()
    for text in answer.file_descriptor_response.file_descriptor_proto:
        file = descriptor_pb2.FileDescriptorProto.FromString(text)
        found |= {f"{file.package}.{service.name}" for service in file.service}
    return found


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_service_that_is_listed_is_described(version: str) -> None:
    async with (
        serve() as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        [listed] = await ask(channel, version, pb.ServerReflectionRequest(list_services="*"))
        names = [service.name for service in listed.list_services_response.service]
        questions = [pb.ServerReflectionRequest(file_containing_symbol=name) for name in names]
        answers = await ask(channel, version, *questions)

    assert set(names) == EVERYWHERE | {service.full_name for service in SERVICES}
    described = {name: services_of(answer) for name, answer in zip(names, answers, strict=True)}
    assert [name for name, services in described.items() if name not in services] == []


@pytest.mark.skipif(BUF is None, reason="there is no buf here to list the methods with")
@pytest.mark.parametrize("version", VERSIONS)
async def test_buf_lists_every_method(version: str) -> None:
    assert BUF is not None
    async with serve() as port:
        buf = await asyncio.create_subprocess_exec(
            *(BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", "--list-methods"),
            *("--reflect-protocol", f"grpc-{version}", f"http://127.0.0.1:{port}"),
            stdout=PIPE,
            stderr=STDOUT,
        )
        said = (await buf.communicate())[0].decode()

    assert buf.returncode == 0, said
    ours = {f"{each.full_name}/{method.name}" for each in SERVICES for method in each.methods}
    assert ours <= set(said.splitlines())
    assert f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" in said


async def test_reflection_is_not_there_by_default() -> None:
    async with (
        serve(reflection=False) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(channel, "v1", pb.ServerReflectionRequest(list_services="*"))
        assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
