"""Takes a file in that a request brings: the scanner looks into it before anything is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from service.admission import aside
from service.runtime import Answer, Runtime

Look: TypeAlias = Callable[[], None]
"""A story calls it where its decision is made, before it writes. It goes on with the next line when
the file was looked into.
"""


class _NotYet(Exception):
    """No fault: the story runs again when the file was looked into."""


async def take_in(
    runtime: Runtime,
    content: bytes,
    run: Callable[[Look], Awaitable[Answer]],
    keep: Callable[[], Awaitable[None]] | None = None,
) -> Answer:
    """Runs a story whose request brings a file in its field ``content``. ``keep`` keeps what is
    clean, outside of the database.

    The story runs twice where there is a scanner, or something to keep. So what was answered before
    is answered again without them, what is refused anyway is neither scanned nor kept, and nobody
    waits for them while others wait for the escrow.

    Raises:
        FileInfected, ScannerUnavailable. What ``keep`` raises.
    """
    if runtime.scanner or keep:
        try:
            return await run(_stop)
        except _NotYet:
            pass
    with aside():
        if runtime.scanner:
            await runtime.scanner.check(content, "content")
        if keep:
            await keep()
    return await run(_go_on)


def _stop() -> None:
    raise _NotYet


def _go_on() -> None:
    pass
