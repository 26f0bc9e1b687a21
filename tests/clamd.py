"""A clamd of the tests' own: it speaks the protocol of INSTREAM, and knows one virus."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""Every scanner finds this harmless text."""


@dataclass
class Clamd:
    """``says`` is what it answers instead of what it found; b"" closes the connection. It gives up
    on a stream after ``most_bytes``, as the real one does after StreamMaxLength.
    """

    says: bytes | None = None
    most_bytes: int = 25_000_000
    seen: list[bytes] = field(default_factory=list)
    server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"clamd://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
            writer.write(await self._answer(reader))
            await writer.drain()
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        content = b""
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            content += await reader.readexactly(size)
            if len(content) > self.most_bytes:
                return b"INSTREAM size limit exceeded. ERROR\0"
        self.seen.append(content)
        if self.says is not None:
            return self.says + b"\0" if self.says else b""
        found = b"Eicar-Test-Signature FOUND" if EICAR in content else b"OK"
        return b"stream: " + found + b"\0"


@asynccontextmanager
async def running_clamd() -> AsyncIterator[Clamd]:
    """A clamd on a free port."""
    clamd = Clamd()
    clamd.server = await asyncio.start_server(clamd.serve, "127.0.0.1", 0)
    try:
        yield clamd
    finally:
        await clamd.stop()
