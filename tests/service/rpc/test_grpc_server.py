import asyncio
import socket
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from escrow.v1 import stripe_event_service_pb2, stripe_event_service_pb2_grpc
from service.domain.call import Call
from service.local.certificates import Authority
from service.rpc.grpc_server import Listening, PortTaken, serving
from service.rpc.identity.development import development_identify
from service.rpc.tls import TlsFiles, server_credentials

SERVICE = stripe_event_service_pb2.DESCRIPTOR.services_by_name["StripeEventService"]
EVENT = stripe_event_service_pb2.IngestStripeEventRequest(
    endpoint=stripe_event_service_pb2.STRIPE_ENDPOINT_PLATFORM, payload=b"{}"
)
GATEWAY = (("escrow-role", "gateway"),)


class Door:
    """The operation of these tests waits in front of it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def ingest(self, _house: object, _call: Call, _request: object) -> Message:
        self.reached.set()
        await self.opened.wait()
        return stripe_event_service_pb2.IngestStripeEventResponse()


def serve(
    door: Door,
    *,
    port: int = 0,
    drain_s: float = 10,
    tls: grpc.ServerCredentials | None = None,
    health_port: int | None = None,
) -> AbstractAsyncContextManager[int]:
    listening = Listening("127.0.0.1", port, 30, 300, drain_s, False, tls, health_port)
    operations: Any = {method.name: door.ingest for method in SERVICE.methods}
    runtime: Any = None  # the operation needs none
    identify = development_identify({"default"})
    return serving(runtime, [SERVICE], operations, identify, listening)


async def test_draining_finishes_what_was_begun_and_takes_nothing_new() -> None:
    door = Door()
    server = serve(door)
    port = await server.__aenter__()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = stripe_event_service_pb2_grpc.StripeEventServiceStub(channel)
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE.full_name))
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        begun = stub.IngestStripeEvent(EVENT, timeout=20, metadata=GATEWAY)
        await asyncio.wait_for(door.reached.wait(), 5)

        draining = asyncio.create_task(server.__aexit__(None, None, None))

        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        assert not draining.done()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as late:
            late_stub: Any = stripe_event_service_pb2_grpc.StripeEventServiceStub(late)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await late_stub.IngestStripeEvent(EVENT, timeout=5, metadata=GATEWAY)
            assert refused.value.code() == StatusCode.UNAVAILABLE
        door.opened.set()
        await begun  # is answered
        await asyncio.wait_for(draining, 5)


async def test_a_call_that_outlasts_the_drain_is_canceled() -> None:
    door = Door()
    server = serve(door, drain_s=0.1)
    port = await server.__aenter__()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = stripe_event_service_pb2_grpc.StripeEventServiceStub(channel)
        begun = stub.IngestStripeEvent(EVENT, timeout=20, metadata=GATEWAY)
        await asyncio.wait_for(door.reached.wait(), 5)

        await asyncio.wait_for(server.__aexit__(None, None, None), 5)

        with pytest.raises(grpc.aio.AioRpcError) as cut:
            await begun
        assert cut.value.code() in (StatusCode.UNAVAILABLE, StatusCode.CANCELLED)


async def test_a_taken_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}: Address already in use"):
            await serve(Door(), port=port).__aenter__()


async def test_two_servers_never_share_a_port() -> None:
    async with serve(Door()) as port:
        with pytest.raises(PortTaken):
            await serve(Door(), port=port).__aenter__()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def test_probes_are_answered_in_plain_text_and_nothing_else_is(tmp_path: Path) -> None:
    """As by the kubelet, which has no certificate, while the service demands one."""
    authority = Authority(tmp_path)
    pair = authority.issue("server", hosts=["127.0.0.1"])
    tls = server_credentials(TlsFiles(pair.certificate, pair.key, authority.file))
    health_port, door = free_port(), Door()
    server = serve(door, tls=tls, health_port=health_port, drain_s=0.1)
    await server.__aenter__()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{health_port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE.full_name):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stub: Any = stripe_event_service_pb2_grpc.StripeEventServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.IngestStripeEvent(EVENT, timeout=5, metadata=GATEWAY)
        assert refused.value.code() == StatusCode.UNIMPLEMENTED
        assert not door.reached.is_set()
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING

        ending = asyncio.create_task(server.__aexit__(None, None, None))

        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await asyncio.wait_for(ending, 5)


async def test_a_taken_health_port_is_told() -> None:
    async with serve(Door(), health_port=(port := free_port())):
        with pytest.raises(PortTaken, match=f"127.0.0.1:{port}"):
            await serve(Door(), health_port=port).__aenter__()


async def test_a_request_above_the_limit_is_refused() -> None:
    door = Door()
    door.opened.set()
    async with (
        serve(door) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub: Any = stripe_event_service_pb2_grpc.StripeEventServiceStub(channel)
        huge = stripe_event_service_pb2.IngestStripeEventRequest(payload=b"x" * (1 << 20))

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.IngestStripeEvent(huge, timeout=5, metadata=GATEWAY)

        assert refused.value.code() == StatusCode.RESOURCE_EXHAUSTED
        assert not door.reached.is_set()
