import asyncio

import pytest

from service.config.files import host_and_port
from service.domain.errors import FileInfected, ScannerUnavailable
from service.files import scanner
from service.files.scanner import Scanner
from tests.clamd import EICAR, Clamd, running_clamd

LARGE = b"%PDF-" + b"x" * 999_995


def scanner_of(clamd: Clamd) -> Scanner:
    return Scanner(*host_and_port(clamd.url))


async def test_it_sees_every_byte_and_tells_what_it_found() -> None:
    async with running_clamd() as clamd:
        for content in (b"", b"x", LARGE):
            await scanner_of(clamd).check(content, "content")
        with pytest.raises(FileInfected) as refused:
            await scanner_of(clamd).check(LARGE + EICAR, "content")

    assert clamd.seen == [b"", b"x", LARGE, LARGE + EICAR]
    assert refused.value.metadata == {"signature": "Eicar-Test-Signature"}
    [violation] = refused.value.violations
    assert violation.field == "content"


@pytest.mark.parametrize(
    "says",
    [
        *(b"", b"stream: ", b"OK", b"stream: OK\n", b"stream: ok", b"stream: OK OK", b"\xff"),
        *(b"stream: FOUND", b"stream: Lots of things ERROR", b"UNKNOWN COMMAND", b"x" * 100_000),
    ],
)
async def test_what_is_not_clear_is_never_clean(says: bytes) -> None:
    async with running_clamd() as clamd:
        clamd.says = says
        with pytest.raises(ScannerUnavailable) as refused:
            await scanner_of(clamd).check(b"x", "content")

    assert "127.0.0.1" not in str(refused.value)


async def test_a_scanner_that_takes_less_than_we_do_is_not_asked_in_vain() -> None:
    async with running_clamd() as clamd:
        clamd.most_bytes = 500_000
        with pytest.raises(ScannerUnavailable):
            await scanner_of(clamd).check(LARGE, "content")


async def test_one_that_is_gone_or_silent_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with running_clamd() as clamd:
        gone = scanner_of(clamd)
        await clamd.stop()
        with pytest.raises(ScannerUnavailable):
            await gone.check(b"x", "content")

    monkeypatch.setattr(scanner, "LIMIT_S", 0.1)
    async with await asyncio.start_server(hang, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        with pytest.raises(ScannerUnavailable):
            await Scanner("127.0.0.1", port).check(b"x", "content")
