"""Connections that ask for nothing are dropped in time, and no number of them keeps Stripe out.

aiohttp waits for ever for the first request of a connection, and for the rest of one that has begun
to arrive. Whoever opens thousands and says nothing would hold as many descriptors.
"""

import asyncio
import math
import resource
import time

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from webhook_gateway.config import Settings

log = structlog.get_logger(__name__)

LOOK_S = 0.5
# What the process needs besides: libraries, the channel to the service, telemetry, files it reads.
OWN_DESCRIPTORS = 40
FEWEST_CONNECTIONS = 8


class Connections:
    """The open connections, each with when it is dropped unless a request begins: never while one
    is answered.
    """

    def __init__(self, settings: Settings) -> None:
        self._header_timeout_s = settings.header_timeout_s
        self._idle_timeout_s = settings.idle_timeout_s
        self._most = most_connections(settings.max_connections)
        self._drop_at: dict[web.RequestHandler, float] = {}
        self._young: set[web.RequestHandler] = set()  # perhaps not connected yet
        self.server: web.Server

    def accept(self) -> asyncio.BaseProtocol:
        """The protocol of a new connection. When there are too many, the one goes that would go
        first; when all are being answered, the new one.
        """
        if len(self._drop_at) >= self._most:
            self._forget_closed()
        if len(self._drop_at) >= self._most:
            first = min(self._drop_at, key=self._drop_at.__getitem__)
            if self._drop_at[first] == math.inf or first.transport is None:  # of this very moment
                return _Refused()
            self._drop(first)
        handler = self.server()
        self._drop_at[handler] = time.monotonic() + self._header_timeout_s
        self._young.add(handler)
        return handler

    def middleware(self) -> Middleware:
        """Spares a connection while it is answered, which has time limits of its own."""

        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = request.protocol
            self._drop_at[connection] = math.inf
            try:
                return await handler(request)
            finally:
                self._drop_at[connection] = time.monotonic() + self._idle_timeout_s

        return answer

    async def watch(self) -> None:
        """Drops what has waited for too long, as long as it runs."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._forget_closed()
            self._young.clear()
            now = time.monotonic()
            late = [handler for handler, drop_at in self._drop_at.items() if drop_at <= now]
            for handler in late:
                self._drop(handler)
            if late:
                log.info("connections_dropped", connections=len(late), left=len(self._drop_at))

    def _drop(self, handler: web.RequestHandler) -> None:
        del self._drop_at[handler]
        if handler.transport is not None:
            handler.transport.abort()

    def _forget_closed(self) -> None:
        for handler in self._drop_at.keys() - self.server.connections - self._young:
            del self._drop_at[handler]


class _Refused(asyncio.Protocol):
    """A connection that is closed as soon as it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def most_connections(wanted: int) -> int:
    """As many as the process may have descriptors for; it says so when they are fewer."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY or descriptors >= wanted + OWN_DESCRIPTORS:
        return wanted
    most = max(FEWEST_CONNECTIONS, descriptors - OWN_DESCRIPTORS)
    log.warning(
        "few_descriptors",
        limit=descriptors,
        connections=most,
        advice=f"allow {wanted + OWN_DESCRIPTORS} open files (ulimit -n), or set"
        f" ESCROW_GATEWAY_MAX_CONNECTIONS to {most}",
    )
    return most
