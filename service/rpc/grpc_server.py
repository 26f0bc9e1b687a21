"""The gRPC server itself: its limits, health and reflection, and how it drains."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from service.rpc.edge import CheckOwn, Edge, refuse_end_users
from service.rpc.identity.caller import Identify
from service.rpc.rate_limits import RateLimits
from service.rpc.reflection import add_reflection
from service.rpc.servicer import NO_LIMITS, Operation, add_services
from service.rpc.streams import StreamLimits, Streams
from service.runtime import Runtime

log = structlog.get_logger()

REQUEST_MAX_BYTES = 1 << 20
METADATA_MAX_BYTES = 16 << 10  # a token of 8 KiB, and room beside it
MOST_STREAMS = 4_096  # calls at once on one connection
MOST_PENDING = 10_000
MOST_CONNECTIONS = 10_000
# What the process needs besides: connections to the database and to Stripe, libraries, telemetry.
OWN_DESCRIPTORS = 48
FEWEST_CONNECTIONS = 8
FEW_CONNECTIONS = 200
# Nobody has proven anything on this port, so there is next to nothing to be had.
PROBE_LIMITS = {
    "grpc.max_receive_message_length": 1 << 10,
    "grpc.max_allowed_incoming_connections": 8,
}


class PortTaken(Exception):
    """The address cannot be listened on."""


@dataclass(frozen=True, slots=True)
class Listening:
    """How a server listens, and how long it waits. Times in seconds."""

    host: str
    port: int  # 0: any free one
    default_deadline_s: float
    max_connection_age_s: float
    drain_s: float
    reflection: bool
    tls: grpc.ServerCredentials | None = None
    health_port: int | None = None
    """A second port, in plain text, for probes; it has nothing but the health service."""
    streams: StreamLimits = field(default_factory=StreamLimits)


@asynccontextmanager
async def serving(
    runtime: Runtime,
    services: Iterable[ServiceDescriptor],
    operations: Mapping[str, Operation[Runtime]],
    identify: Identify,
    listening: Listening,
    *,
    check_own: CheckOwn = refuse_end_users,
    rate_limits: RateLimits = NO_LIMITS,
) -> AsyncIterator[int]:
    """Serves the operations; yields the port. Drains at the end.

    Draining: health says NOT_SERVING first, so that clients go elsewhere. Then streams end and no
    call is accepted; those that are open may still take ``drain_s``; what is left is canceled.

    Raises:
        PortTaken: another program listens there.
        ContractError: the contract and the operations do not fit each other.
    """
    services = list(services)
    names = [service.full_name for service in services]
    server = grpc.aio.server(options=server_options(listening))
    streams = Streams(listening.streams)
    edge = Edge(
        identify,
        default_deadline_s=listening.default_deadline_s,
        check_own=check_own,
        streams=streams,
    )
    add_services(server, runtime, services, operations, edge, rate_limits)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if listening.reflection:
        add_reflection(server, [*names, health.SERVICE_NAME])
    port = _bind(server, listening.host, listening.port, listening.tls)
    async with _answering_probes(health_servicer, listening):
        await server.start()
        for name in names:
            await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        try:
            yield port
        finally:
            await health_servicer.enter_graceful_shutdown()
            streams.end()
            await server.stop(listening.drain_s)


@asynccontextmanager
async def _answering_probes(
    servicer: health.aio.HealthServicer, listening: Listening
) -> AsyncIterator[None]:
    """Answers the probes of Kubernetes, which know neither TLS nor client certificates."""
    if listening.health_port is None:
        yield
        return
    server = grpc.aio.server(options=[*(dict(server_options(listening)) | PROBE_LIMITS).items()])
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    _bind(server, listening.host, listening.health_port, None)
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


def server_options(listening: Listening) -> list[tuple[str, int]]:
    age_ms = round(listening.max_connection_age_s * 1000)
    return [
        ("grpc.max_receive_message_length", REQUEST_MAX_BYTES),
        # Between the two gRPC would refuse by chance. A call above it never reaches us.
        ("grpc.max_metadata_size", METADATA_MAX_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_MAX_BYTES),
        # What clients ask for beyond it on one connection waits there.
        ("grpc.max_concurrent_streams", MOST_STREAMS),
        # Two servers on one port would share its calls unnoticed.
        ("grpc.so_reuseport", 0),
        # Clients of a Kubernetes service keep one connection for ever, and never see a new pod.
        ("grpc.max_connection_age_ms", age_ms),
        ("grpc.max_connection_age_grace_ms", round(listening.default_deadline_s * 1000)),
        # A connection that was cut silently is found out, and clients may ask as often.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.http2.ping_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients may ask every ten seconds, a little jitter included. The headers of gRPC speak of
        # "min_recv_ping_interval", and nothing obeys that name.
        ("grpc.http2.min_ping_interval_without_data_ms", 9_000),
        # Who connects and says nothing may not keep others out for longer than this, nor take the
        # descriptors that the database and Stripe need.
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_allowed_incoming_connections", most_connections()),
        # Above these (1,000 and 3,000 by default) gRPC cancels calls before we see them, without a
        # reason. A crowd is for admission.py to refuse, which says when to come again.
        ("grpc.server.max_pending_requests", MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * MOST_PENDING),
    ]


def most_connections() -> int:
    """As many clients as the process may have descriptors for; it says so when they are few."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    most = min(max(descriptors - OWN_DESCRIPTORS, FEWEST_CONNECTIONS), MOST_CONNECTIONS)
    if most < FEW_CONNECTIONS:
        advice = f"allow {FEW_CONNECTIONS + OWN_DESCRIPTORS} open files or more (ulimit -n)"
        log.warning("few descriptors", limit=descriptors, connections=most, advice=advice)
    return most


def _bind(server: grpc.aio.Server, host: str, port: int, tls: grpc.ServerCredentials | None) -> int:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # gRPC does not say what is wrong with an address, but writes a page about it; so ask first.
        socket.create_server((host, port), family=family).close()
        if tls is not None:
            return server.add_secure_port(address, tls)
        return server.add_insecure_port(address)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortTaken(f"cannot listen on {address}: {reason}") from error
    except RuntimeError as error:  # taken in this very moment
        raise PortTaken(f"cannot listen on {address}") from error
