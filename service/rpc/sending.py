"""Sends the messages of one stream until it, its reader's patience or its credentials end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from google.protobuf.message import Message

from service.domain.errors import ProcessStops, ReaderTooSlow
from service.rpc.streams import Streams

CHECK_CREDENTIALS_S = 5.0
PLACES = ("cursor", "version")
"""The fields of a message from which its reader resumes."""

Result = TypeVar("Result")


class Sending:
    """One stream. ``write`` comes back when the transport has taken the message: no other is read
    before, so none is ever kept. ``check`` refuses a reader whose credentials are over.
    """

    def __init__(
        self,
        messages: AsyncIterator[Message],
        write: Callable[[Message], Coroutine[Any, Any, None]],
        check: Callable[[], Awaitable[object]],
        streams: Streams,
    ) -> None:
        self._messages = messages
        self._write = write
        self._check = check
        self._streams = streams
        self._place: dict[str, object] = {}
        self._checked_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Raises ProcessStops, ReaderTooSlow, and what the messages or the check raise."""
        ending = asyncio.create_task(self._streams.ending.wait())
        try:
            while (message := await self._next(ending)) is not None:
                await self._send(message, ending)
                await self._check_again()
        finally:
            await _give_up(ending)

    async def _check_again(self) -> None:
        """Also of a stream that is never quiet."""
        now = asyncio.get_running_loop().time()
        if now - self._checked_at >= CHECK_CREDENTIALS_S:
            self._checked_at = now
            await self._check()

    async def _next(self, ending: asyncio.Task[bool]) -> Message | None:
        upcoming = asyncio.create_task(_next_of(self._messages))
        try:
            while not await _first(upcoming, ending, CHECK_CREDENTIALS_S):
                await self._check_again()
            return upcoming.result()
        finally:
            await _give_up(upcoming)

    async def _send(self, message: Message, ending: asyncio.Task[bool]) -> None:
        writing = asyncio.create_task(self._write(message))
        try:
            if not await _first(writing, ending, self._streams.limits.patience_s):
                raise ReaderTooSlow(**self._place)
            writing.result()
        finally:
            await _give_up(writing)
        self._place = {name: getattr(message, name) for name in PLACES if hasattr(message, name)}


async def _next_of(messages: AsyncIterator[Message]) -> Message | None:
    return await anext(messages, None)


async def _first(task: asyncio.Task[Any], ending: asyncio.Task[bool], timeout_s: float) -> bool:
    """Whether the task ended in time.

    Raises:
        ProcessStops.
    """
    await asyncio.wait({task, ending}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    if ending.done():
        raise ProcessStops
    return task.done()


async def _give_up(task: asyncio.Task[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
