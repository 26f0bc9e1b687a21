"""A call of gRPC by hand, with metadata that no client library sends."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from tests.http2_wire import ACK, GOAWAY, PREFACE, SETTINGS, frame

DATA, HEADERS, RST_STREAM = 0, 1, 3
END_STREAM, END_HEADERS = 1, 4
PREFIX_BYTES = 5  # of gRPC, before each message
Field = tuple[bytes, bytes]


def _length(number: int) -> bytes:
    """An integer of HPACK with a prefix of seven bits (RFC 7541, 5.1)."""
    if number < 127:
        return bytes([number])
    found, rest = bytearray([127]), number - 127
    while rest >= 128:
        found.append(rest % 128 + 128)
        rest //= 128
    return bytes([*found, rest])


def _literal(field: Field) -> bytes:
    """A field as it is, neither indexed nor in Huffman's code (RFC 7541, 6.2.2)."""
    return b"\0" + b"".join(_length(len(part)) + part for part in field)


def _on_stream(kind: int, flags: int, body: bytes) -> bytes:
    whole = bytearray(frame(kind, flags, body))
    whole[8] = 1
    return bytes(whole)


async def raw_call(target: str, path: str, body: bytes, fields: Sequence[Field]) -> bytes:
    """What the server sends as the answer's message; b"" when it refuses, by whatever frame."""
    host, _, port = target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path.encode()),
        (b":authority", target.encode()),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *fields,
    )
    message = b"\0" + len(body).to_bytes(4, "big") + body
    writer.write(
        PREFACE
        + frame(SETTINGS)
        + _on_stream(HEADERS, END_HEADERS, b"".join(map(_literal, head)))
        + _on_stream(DATA, END_STREAM, message)
    )
    answer = b""
    try:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head_ = await reader.readexactly(9)
                kind, flags = head_[3], head_[4]
                part = await reader.readexactly(int.from_bytes(head_[:3], "big"))
                if kind == SETTINGS and not flags & ACK:
                    writer.write(frame(SETTINGS, ACK))
                if kind == DATA:
                    answer += part
                if kind in (RST_STREAM, GOAWAY) or (kind in (DATA, HEADERS) and flags & END_STREAM):
                    break
    finally:
        writer.transport.abort()
    return answer[PREFIX_BYTES:]
