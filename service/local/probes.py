"""How a process that was just started shows that it is ready."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from escrow.client import TlsFiles
from service.local.children import Child

PROBE_TIMEOUT_S = 2.0

Probe = Callable[[], Awaitable[bool]]


def http_answers(url: str) -> Probe:
    """The address answers 200."""

    async def probe() -> bool:
        timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    return probe


def grpc_serves(target: str, tls: TlsFiles) -> Probe:
    """The health service of the target says SERVING."""

    async def probe() -> bool:
        credentials = grpc.ssl_channel_credentials(*tls.read())
        async with grpc.aio.secure_channel(target, credentials) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await health.Check(
                    health_pb2.HealthCheckRequest(), timeout=PROBE_TIMEOUT_S
                )
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return probe


def log_contains(child: Child, words: str) -> Probe:
    """For a process that listens on no port."""

    async def probe() -> bool:
        return words in child.log.read_text(errors="replace")

    return probe
