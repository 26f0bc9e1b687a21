"""Streams at the edge: they end when they have to, keep nothing for who is slow, and go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import grpc
import pytest
from grpc import StatusCode

from escrow.client import EscrowClient, connect_sync, details_of
from escrow.v1 import escrow_service_pb2 as pb
from escrow.watching import ChangesReplaced, watch_escrow, watch_escrow_sync
from service.domain.call import Call
from service.domain.errors import Unauthenticated
from service.rpc import sending
from service.rpc.edge import Edge
from service.rpc.identity.caller import Caller, Metadata, Peer
from service.rpc.identity.development import development_identify
from service.rpc.servicer import add_services
from service.rpc.streams import StreamLimits, Streams
from tests.until import until

SERVICES = (pb.DESCRIPTOR.services_by_name["EscrowService"],)
ESCROW_ID = "esc_" + "0" * 32
WATCH = pb.WatchEscrowRequest(escrow_id=ESCROW_ID)
BIG = "x" * 200_000
known = development_identify({"default"})


async def identify(metadata: Metadata, peer: Peer) -> Caller:
    """As in development; the caller may act for an end user, too."""
    end_user = dict(metadata).get("end-user", "")
    return replace(await known(metadata, peer), end_user=str(end_user))


class Story:
    """What an escrow went through; watchers wait for more of it."""

    def __init__(self, *, note: str = "", versions: int = 0) -> None:
        self.note = note
        self.versions = versions
        self.cause = "as told"
        self.read = 0
        self.open = 0
        self.fails: Exception | None = None
        self.more = asyncio.Condition()

    async def happen(self, versions: int = 1) -> None:
        async with self.more:
            self.versions += versions
            self.more.notify_all()

    async def watch(
        self, _: Call, request: pb.WatchEscrowRequest
    ) -> AsyncIterator[pb.WatchEscrowResponse]:
        self.open += 1
        try:
            if self.fails:
                raise self.fails
            if self.versions == request.after_version:
                yield pb.WatchEscrowResponse(version=self.versions)
            for version in count(request.after_version + 1):
                async with self.more:
                    while self.versions < version:
                        await self.more.wait()
                self.read += 1
                entry = pb.TimelineEntry(version=version, note=self.note, cause=self.cause)
                yield pb.WatchEscrowResponse(entries=[entry], version=version)
        finally:
            self.open -= 1


async def _owns_all(_: Call, __: Any) -> None:  # noqa: ANN401  any request
    """Every end user."""


async def _watch(story: Story, call: Call, request: Any) -> Any:  # noqa: ANN401  never awaited
    raise AssertionError


@asynccontextmanager
async def serving(
    story: Story,
    *,
    limits: StreamLimits | None = None,
    identify: Any = identify,  # noqa: ANN401
    port: int = 0,
) -> AsyncIterator[tuple[int, Streams]]:
    streams = Streams(limits or StreamLimits())
    edge = Edge(identify, default_deadline_s=0.2, check_own=_owns_all, streams=streams)
    operations: dict[str, Any] = {method.name: _watch for method in SERVICES[0].methods}
    operations["WatchEscrow"] = lambda story, call, request: story.watch(call, request)
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_services(server, story, SERVICES, operations, edge)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield port, streams
    finally:
        await server.stop(None)


@asynccontextmanager
async def client_of(port: int, end_user: str = "") -> AsyncIterator[EscrowClient]:
    options = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        identity = {"escrow-tenant": "default", "escrow-caller": "tests", "end-user": end_user}
        yield EscrowClient(channel, identity, 5.0)


async def read(call: Any) -> pb.WatchEscrowResponse:  # noqa: ANN401  a stream
    return await asyncio.wait_for(anext(aiter(call)), 5)


async def error_of(call: Any) -> grpc.aio.AioRpcError:  # noqa: ANN401  a stream
    try:
        while True:
            await read(call)
    except grpc.aio.AioRpcError as error:
        return error


async def test_a_stream_outlives_the_default_deadline_and_obeys_its_own() -> None:
    story = Story(versions=1)
    async with serving(story) as (port, _), client_of(port) as client:
        stream = client.escrows.WatchEscrow(WATCH)
        short = client.escrows.WatchEscrow(WATCH, timeout=0.3)
        assert (await read(stream)).version == 1
        assert (await error_of(short)).code() is StatusCode.DEADLINE_EXCEEDED
        await story.happen()
        assert (await read(stream)).version == 2
        stream.cancel()
        await until(lambda: not story.open)


async def test_streams_end_at_once_when_the_process_stops() -> None:
    async with serving(Story(versions=1)) as (port, streams), client_of(port) as client:
        stream = client.escrows.WatchEscrow(WATCH)
        await read(stream)

        streams.end()

        error = await error_of(stream)
        assert error.code() is StatusCode.UNAVAILABLE
        assert details_of(error).reason == "PROCESS_STOPS"
        assert (await error_of(client.escrows.WatchEscrow(WATCH))).code() is StatusCode.UNAVAILABLE


async def test_who_does_not_read_is_cut_and_nothing_is_kept_for_them() -> None:
    story = Story(note=BIG, versions=1_000)
    limits = StreamLimits(patience_s=0.3)
    async with serving(story, limits=limits) as (port, streams), client_of(port) as client:
        stream = client.escrows.WatchEscrow(WATCH)
        await read(stream)
        await until(lambda: not streams._of_callers)
        assert story.read < 100  # of 200 KB each: what fits into the buffers of the connection
        assert story.open == 0

        error = await error_of(stream)

        assert error.code() is StatusCode.RESOURCE_EXHAUSTED
        details = details_of(error)
        assert details.reason == "READER_TOO_SLOW"
        assert 1 <= int(details.metadata["version"]) <= story.read


async def test_who_was_cut_has_their_place_again_and_leaves_no_more_than_so_many_unread() -> None:
    story = Story(note=BIG, versions=1_000)
    limits = StreamLimits(most_per_caller=2, patience_s=0.1)
    async with (
        serving(story, limits=limits) as (port, streams),
        client_of(port, "ann") as client,
        client_of(port, "bob") as other,
    ):
        left = []
        for _ in range(2):
            left.append(client.escrows.WatchEscrow(WATCH))
            await read(left[-1])
            await until(lambda: streams._cut.total() == len(left) and not streams._of_callers)
        error = await error_of(client.escrows.WatchEscrow(WATCH))
        assert details_of(error).reason == "TOO_MANY_STREAMS"
        of_other = other.escrows.WatchEscrow(WATCH)
        assert (await read(of_other)).version == 1
        of_other.cancel()

        assert details_of(await error_of(left[0])).reason == "READER_TOO_SLOW"  # who reads on
        await until(lambda: streams._cut.total() == 1)
        third = client.escrows.WatchEscrow(WATCH)
        assert (await read(third)).version == 1
        for stream in (left[1], third):
            stream.cancel()
        await until(lambda: not streams._cut and not streams._of_callers)


async def test_a_stream_ends_with_the_credentials_that_it_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "CHECK_CREDENTIALS_S", 0.05)
    valid = asyncio.Event()
    valid.set()

    async def expiring(metadata: Metadata, peer: Peer) -> Caller:
        if not valid.is_set():
            raise Unauthenticated("The token has expired.")
        return await identify(metadata, peer)

    story = Story(versions=1)
    async with serving(story, identify=expiring) as (port, _), client_of(port) as client:
        stream = client.escrows.WatchEscrow(WATCH)
        await read(stream)
        valid.clear()
        assert (await error_of(stream)).code() is StatusCode.UNAUTHENTICATED

        # A busy stream as well.
        valid.set()
        stream = client.escrows.WatchEscrow(WATCH)
        await read(stream)
        valid.clear()
        busy = asyncio.create_task(_happen_on_and_on(story))
        assert (await error_of(stream)).code() is StatusCode.UNAUTHENTICATED
        busy.cancel()


async def _happen_on_and_on(story: Story) -> None:
    while True:
        await story.happen()
        await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("limits", "end_user", "room"),
    [
        (StreamLimits(most_per_caller=2, most=100), "", ("ann", "bob")),
        (StreamLimits(most_per_caller=2, most=100), "ann", ("", "bob")),
        (StreamLimits(most_per_caller=100, most=4), "ann", ()),
    ],
    ids=["of a caller", "of each end user of a caller", "of a tenant, which is half of all"],
)
async def test_a_caller_has_so_many_streams_and_no_more(
    limits: StreamLimits, end_user: str, room: tuple[str, ...]
) -> None:
    """Callers act for Ann, for Bob and for nobody: ``room`` is who still has some."""
    async with (
        serving(Story(versions=1), limits=limits) as (port, streams),
        client_of(port, end_user) as client,
    ):
        watched = [client.escrows.WatchEscrow(WATCH) for _ in range(2)]
        for stream in watched:
            await read(stream)
        error = await error_of(client.escrows.WatchEscrow(WATCH))
        assert error.code() is StatusCode.RESOURCE_EXHAUSTED
        assert details_of(error).reason == "TOO_MANY_STREAMS"
        for whose in {"", "ann", "bob"} - {end_user}:
            async with client_of(port, whose) as other:
                stream = other.escrows.WatchEscrow(WATCH)
                if whose in room:
                    await read(stream)
                    stream.cancel()
                else:
                    assert details_of(await error_of(stream)).reason == "TOO_MANY_STREAMS"
        await until(lambda: streams._of_callers.total() == 2)

        watched[0].cancel()
        await until(lambda: streams._of_callers.total() == 1)
        assert (await read(client.escrows.WatchEscrow(WATCH))).version == 1


async def test_what_goes_wrong_inside_a_stream_is_told_as_of_any_call() -> None:
    story = Story()
    async with serving(story) as (port, _), client_of(port) as client:
        wrong = pb.WatchEscrowRequest(escrow_id="esc_1")
        assert (await error_of(client.escrows.WatchEscrow(wrong))).code() is (
            StatusCode.INVALID_ARGUMENT
        )
        story.fails = RuntimeError("the password is hunter2")
        error = await error_of(client.escrows.WatchEscrow(WATCH))
        assert error.code() is StatusCode.INTERNAL
        assert "hunter2" not in str(error.details())


async def test_a_follower_goes_on_by_itself_without_a_gap_and_nothing_twice() -> None:
    """Through a drain, a cut connection, and a process that is away for a while."""
    story, seen = Story(versions=3), list[int]()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        port, streams = await first.enter_async_context(serving(story))
        client = await stack.enter_async_context(client_of(port))

        async def follow() -> None:
            async for entry in watch_escrow(client, ESCROW_ID):
                seen.append(entry.version)

        following = asyncio.create_task(follow())
        await until(lambda: len(seen) == 3)
        streams.end()
        await story.happen(2)
        await first.aclose()
        await asyncio.sleep(0.1)
        await story.happen(2)
        again = await stack.enter_async_context(AsyncExitStack())
        await again.enter_async_context(serving(story, port=port))
        await until(lambda: len(seen) == 7)
        await again.aclose()  # its calls are canceled
        await story.happen(2)
        await stack.enter_async_context(serving(story, port=port))
        await until(lambda: len(seen) == 9)
        following.cancel()
    assert seen == list(range(1, 10))


@pytest.mark.parametrize("left", [2, 3, 5])
async def test_a_follower_is_told_that_its_last_change_did_not_happen(left: int) -> None:
    """A standby without the last commits took over, and has as many, fewer or more since."""
    story = Story(versions=3)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        port, streams = await first.enter_async_context(serving(story))
        client = await stack.enter_async_context(client_of(port))
        following = watch_escrow(client, ESCROW_ID)
        assert [(await anext(following)).version for _ in range(3)] == [1, 2, 3]

        streams.end()
        await first.aclose()
        story.versions, story.cause = left, "another"
        await stack.enter_async_context(serving(story, port=port))

        async with asyncio.timeout(10):
            with pytest.raises(ChangesReplaced):
                await anext(following)


async def test_a_follower_raises_what_another_beginning_would_not_mend() -> None:
    async with serving(Story()) as (port, _), client_of(port) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(watch_escrow(client, "esc_1"))
        assert caught.value.code() is StatusCode.INVALID_ARGUMENT


async def test_code_without_asyncio_follows_too() -> None:
    story, seen = Story(versions=3), list[int]()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(AsyncExitStack())
        port, streams = await first.enter_async_context(serving(story))

        def follow() -> None:
            with connect_sync(f"127.0.0.1:{port}", tenant="default", caller="tests") as client:
                for entry in watch_escrow_sync(client, ESCROW_ID, after_version=1):
                    seen.append(entry.version)
                    if entry.version == 5:
                        return

        following = asyncio.create_task(asyncio.to_thread(follow))
        await until(lambda: len(seen) == 2)
        streams.end()
        await first.aclose()
        await story.happen(2)
        await stack.enter_async_context(serving(story, port=port))
        await asyncio.wait_for(following, 10)
    assert seen == [2, 3, 4, 5]
