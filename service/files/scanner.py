"""Asks a virus scanner, clamd, whether a file is clean: its INSTREAM command over TCP."""

from __future__ import annotations

import asyncio
import re

import structlog

from service.domain.errors import FieldViolation, FileInfected, ScannerUnavailable

LIMIT_S = 10
CHUNK_BYTES = 65_536
MOST_AT_ONCE = 8  # a clamd has 10 threads by default
CLEAN, FOUND = "stream: OK", re.compile(r"stream: (.{1,200}) FOUND")

log = structlog.get_logger()


class Scanner:
    """A clamd. Its StreamMaxLength must be above 1,000,000 bytes, as it is by default."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self._places = asyncio.Semaphore(MOST_AT_ONCE)

    async def check(self, content: bytes, field: str) -> None:
        """Raises FileInfected, about this field of the request; ScannerUnavailable when it does not
        answer, and when it answers anything but that the file is clean.
        """
        try:
            async with asyncio.timeout(LIMIT_S), self._places:
                said = await self._ask(content)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            log.error(  # noqa: TRY400  the place in our code says nothing
                "virus scanner failed", host=self.host, port=self.port, error=repr(error)
            )
            raise ScannerUnavailable from None
        if found := FOUND.fullmatch(said):
            log.warning("virus found", signature=found[1])
            violation = FieldViolation(field, f"the virus scanner found {found[1]} in it")
            raise FileInfected(violation, signature=found[1])
        if said != CLEAN:
            log.error("virus scanner is not clear", host=self.host, port=self.port, said=said)
            raise ScannerUnavailable

    async def _ask(self, content: bytes) -> str:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(b"zINSTREAM\0")
            for begin in range(0, len(content), CHUNK_BYTES):
                chunk = content[begin : begin + CHUNK_BYTES]
                writer.write(len(chunk).to_bytes(4, "big") + chunk)
                await writer.drain()
            writer.write((0).to_bytes(4, "big"))
            said = await reader.readuntil(b"\0")
        finally:
            writer.close()
        return said[:-1].decode("utf-8", "replace")
