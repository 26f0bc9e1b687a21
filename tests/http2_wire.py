"""The other end of an HTTP/2 connection, by hand: it says and leaves out what a test wants."""

import asyncio
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1


def frame(kind: int, flags: int = 0, body: bytes = b"") -> bytes:
    """A frame of the connection itself (stream 0)."""
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + body


@dataclass
class Peer:
    """What the other side has said since it was connected, with when in seconds."""

    reader: StreamReader
    writer: StreamWriter
    answers_pings: bool = True
    began_s: float = field(default_factory=time.monotonic)
    pings_s: list[float] = field(default_factory=list)
    goaway: str = ""
    closed_s: float | None = None

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.began_s

    def ping(self) -> None:
        self.writer.write(frame(PING, body=bytes(8)))

    async def listen(self) -> None:
        """Takes note of frames until the other side ends the connection."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await self.reader.readexactly(9)
                self._hear(
                    head[3], head[4], await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                )
        self.closed_s = self.age_s

    def _hear(self, kind: int, flags: int, body: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self.writer.write(frame(SETTINGS, ACK))
        elif kind == PING and not flags & ACK:
            self.pings_s.append(self.age_s)
            if self.answers_pings:
                self.writer.write(frame(PING, ACK, body))
        elif kind == GOAWAY:
            self.goaway = body[8:].decode()


@asynccontextmanager
async def client_of(port: int, *, answers_pings: bool = True) -> AsyncIterator[Peer]:
    """A client that connects properly, and never calls."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + frame(SETTINGS))
    peer = Peer(reader, writer, answers_pings)
    listening = asyncio.create_task(peer.listen())
    try:
        yield peer
    finally:
        listening.cancel()
        writer.transport.abort()


@dataclass
class SilentServer:
    """A server that never answers a call; ``peers`` are its clients, in the order they came."""

    port: int = 0
    peers: list[Peer] = field(default_factory=list)


@asynccontextmanager
async def silent_server(
    *, answers_pings: bool = True, hangs_up: bool = False
) -> AsyncIterator[SilentServer]:
    """With ``hangs_up`` it ends each connection at once."""
    silent = SilentServer()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        peer = Peer(reader, writer, answers_pings)
        silent.peers.append(peer)
        if not hangs_up:
            with suppress(asyncio.IncompleteReadError):
                await reader.readexactly(len(PREFACE))
                writer.write(frame(SETTINGS))
                await peer.listen()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    silent.port = server.sockets[0].getsockname()[1]
    try:
        yield silent
    finally:
        server.close()
        for peer in silent.peers:
            peer.writer.transport.abort()
