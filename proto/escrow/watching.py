"""Follows what happens, for as long as it is iterated: begins again by itself, without a gap and
without anything twice.

    async for event in watch_events(escrow, after=cursor, from_beginning=not cursor):
        ...                                  # do it, and keep event.cursor with what it did
    async for entry in watch_escrow(escrow, escrow_id, after_version=version):
        ...

``watch_events_sync`` and ``watch_escrow_sync`` are the same for a SyncEscrowClient. A stream that
ends because a process stops, a connection breaks, a reader was slow or a token expired is begun
again after the last event that was given out. What another beginning would not mend is raised.

Without a cursor ``watch_events`` begins with what happens from now on: who stops before their first
event has no cursor, and misses what happens until they begin again. So begin ``from_beginning``, or
after the cursor of ListEvents' last page, kept before; or give ``progress``, which keeps the first
cursor at once.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import grpc

from escrow.v1.escrow_service_pb2 import TimelineEntry, WatchEscrowRequest
from escrow.v1.event_service_pb2 import Event, WatchEventsRequest

if TYPE_CHECKING:
    from escrow.client import EscrowClient
    from escrow.sync import SyncEscrowClient

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
SILENCE_S = 90.0
"""A stream says something every 30 seconds; one that is silent for so long is dead."""
_PASSING = frozenset(
    (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    )
)


class Following(Protocol):
    """A stream that is followed: how to begin after the last message, and what one holds."""

    def request(self) -> Any: ...  # noqa: ANN401  a request

    def take(self, message: Any) -> Iterable[Any]: ...  # noqa: ANN401  a response


class _Events:
    def __init__(self, after: str, from_beginning: bool, types: Iterable[str]) -> None:
        self._after = after
        self._from_beginning = from_beginning
        self._types = list(types)
        self._told = after

    def request(self) -> WatchEventsRequest:
        return WatchEventsRequest(
            after=self._after,
            from_beginning=self._from_beginning and not self._after,
            types=self._types,
        )

    def take(self, message: Any) -> Iterator[Event]:  # noqa: ANN401
        for event in message.events:
            self._after = event.cursor
            yield event
        self._after = message.cursor

    def newer_cursor(self) -> str | None:
        """Where it is, once: None where that has been told."""
        if self._told == self._after:
            return None
        self._told = self._after
        return self._told


class ChangesReplaced(Exception):
    """An escrow came to the last version that was given out by another change than that: the
    service's database was restored to an earlier time. Read the escrow and its timeline again.
    """


class _Changes:
    """Begins again with the last change that was given out, which has to be the same still."""

    def __init__(self, escrow_id: str, after_version: int) -> None:
        self._escrow_id = escrow_id
        self._after_version = after_version
        self._last: TimelineEntry | None = None
        self._expected: TimelineEntry | None = None

    def request(self) -> WatchEscrowRequest:
        self._expected = self._last
        after_version = self._after_version - (self._expected is not None)
        return WatchEscrowRequest(escrow_id=self._escrow_id, after_version=after_version)

    def take(self, message: Any) -> Iterator[TimelineEntry]:  # noqa: ANN401
        if self._expected is not None:
            _hold_against(self._expected, message)
            self._expected = None
        for entry in message.entries:
            if entry.version > self._after_version:
                self._after_version, self._last = entry.version, entry
                yield entry
        if self._after_version != message.version:  # by changes that cannot be shown
            self._after_version, self._last = message.version, None


def _hold_against(expected: TimelineEntry, message: Any) -> None:  # noqa: ANN401
    """Raises ChangesReplaced."""
    if expected.version in message.unreadable:
        return
    again = [each for each in message.entries if each.version == expected.version]
    if [_name(each) for each in again] != [_name(expected)]:
        raise ChangesReplaced(f"version {expected.version} of the escrow is of another change")


def _name(entry: TimelineEntry) -> tuple[str, str, int, int]:
    """What a change is known by."""
    return entry.operation, entry.cause, entry.time.seconds, entry.time.nanos


class _Pauses:
    """How long to wait before another beginning: longer and longer while nothing comes."""

    def __init__(self) -> None:
        self._failed = 0
        self._began = False

    def heard(self) -> None:
        self._failed, self._began = 0, True

    def after(self, error: grpc.RpcError) -> float:
        """Raises the error where another beginning would not mend it. A token that expired under a
        stream that had begun is fetched anew; one that is refused at the beginning is wrong.
        """
        code = error.code() if isinstance(error, grpc.Call | grpc.aio.AioRpcError) else None
        expired = code is grpc.StatusCode.UNAUTHENTICATED and self._began
        if code not in _PASSING and not expired:
            raise error
        self._began = False
        self._failed += 1
        longest_s = min(SHORTEST_PAUSE_S * 2**self._failed, LONGEST_PAUSE_S)
        return random.uniform(SHORTEST_PAUSE_S / 2, longest_s)  # noqa: S311  jitter


async def watch_events(
    client: "EscrowClient",
    *,
    after: str = "",
    from_beginning: bool = False,
    types: Iterable[str] = (),
    progress: Callable[[str], Awaitable[None]] | None = None,
) -> AsyncIterator[Event]:
    """What happens in the tenant, after a cursor; without one from now on, or from the beginning.

    ``progress`` is called with each newer cursor, when the events before it were given out and the
    next one is asked for: first where the stream begins, and also where nothing is of the
    ``types``. Keep it, and begin ``after`` it again. What it raises is raised.

    Raises:
        grpc.RpcError: the cursor is none of the tenant's, the caller may not watch ...
    """
    following = _Events(after, from_beginning, types)
    async for taken in _follow(following, client.feed.WatchEvents):
        for event in taken:
            yield event
        if progress and (cursor := following.newer_cursor()) is not None:
            await progress(cursor)


async def watch_escrow(
    client: "EscrowClient", escrow_id: str, *, after_version: int = 0
) -> AsyncIterator[TimelineEntry]:
    """The changes of an escrow after a version: as ListTimeline lists them, then as they happen.

    Raises:
        grpc.RpcError: there is no such escrow, or it has not come to this version ...
        ChangesReplaced
    """
    following = _Changes(escrow_id, after_version)
    async for taken in _follow(following, client.escrows.WatchEscrow):
        for entry in taken:
            yield entry


async def _follow(
    following: Following, begin: Callable[[Any], Any]
) -> AsyncIterator[Iterable[Any]]:
    """What each message holds, to be taken before the next one is read."""
    pauses = _Pauses()
    while True:
        stream = begin(following.request())
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):
                    message = await stream.read()
                if message is grpc.aio.EOF:
                    break
                pauses.heard()
                yield following.take(message)
            pause_s = SHORTEST_PAUSE_S
        except TimeoutError:
            pause_s = SHORTEST_PAUSE_S
        except grpc.RpcError as error:
            pause_s = pauses.after(error)
        finally:
            stream.cancel()
        await asyncio.sleep(pause_s)


def watch_events_sync(
    client: "SyncEscrowClient",
    *,
    after: str = "",
    from_beginning: bool = False,
    types: Iterable[str] = (),
    progress: Callable[[str], object] | None = None,
) -> Iterator[Event]:
    """See ``watch_events``."""
    following = _Events(after, from_beginning, types)
    for taken in _follow_sync(following, client.feed.WatchEvents):
        yield from taken
        if progress and (cursor := following.newer_cursor()) is not None:
            progress(cursor)


def watch_escrow_sync(
    client: "SyncEscrowClient", escrow_id: str, *, after_version: int = 0
) -> Iterator[TimelineEntry]:
    """See ``watch_escrow``."""
    following = _Changes(escrow_id, after_version)
    for taken in _follow_sync(following, client.escrows.WatchEscrow):
        yield from taken


def _follow_sync(following: Following, begin: Callable[[Any], Any]) -> Iterator[Iterable[Any]]:
    """See ``_follow``."""
    pauses = _Pauses()
    while True:
        stream = begin(following.request())
        try:
            for message in stream:
                pauses.heard()
                yield following.take(message)
            pause_s = SHORTEST_PAUSE_S
        except grpc.RpcError as error:
            pause_s = pauses.after(error)
        finally:
            stream.cancel()
        time.sleep(pause_s)
