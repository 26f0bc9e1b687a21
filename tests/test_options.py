"""Each option of gRPC that we set does what it is set for: gRPC ignores what it does not know.

The options are those of the programs; what would take a minute is made shorter here.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import escrow.channels
import webhook_gateway.ingestion
from service.rpc.grpc_server import METADATA_MAX_BYTES, Listening, server_options
from tests.http2_wire import Peer, client_of, silent_server

Options = Sequence[tuple[str, Any]]
Test = TypeVar("Test", bound=Callable[..., object])

SERVER, GATEWAY, CLIENT = "server", "gateway", "client"
TABLES: Mapping[str, Options] = {
    SERVER: server_options(Listening("127.0.0.1", 0, 30, 300, 1, reflection=False)),
    GATEWAY: webhook_gateway.ingestion.CHANNEL_OPTIONS,
    CLIENT: escrow.channels.PLAIN_TEXT_OPTIONS,
}
CHANNELS = pytest.mark.parametrize("program", [GATEWAY, CLIENT])
OBSERVED: set[tuple[str, str]] = set()

CHECK = "/grpc.health.v1.Health/Check"
EVENTS = "/escrow.v1.StripeEventService/BatchIngestStripeEvents"


def observes(option: str, *programs: str) -> Callable[[Test], Test]:
    """Marks the test of an option's effect in these programs."""
    OBSERVED.update((program, f"grpc.{option}") for program in programs)
    return lambda test: test


def test_each_option_has_a_test() -> None:
    options = {(program, name) for program, table in TABLES.items() for name, _ in table}
    assert options == OBSERVED


def test_no_option_is_set_twice() -> None:
    for table in TABLES.values():
        assert len(dict(table)) == len(table)


def options(program: str, **changed: Any) -> Options:  # noqa: ANN401  as gRPC takes them
    """A program's own options, some with other values: ``keepalive_time_ms=500``."""
    table = dict(TABLES[program])
    names = {name.replace("__", "."): value for name, value in changed.items()}
    assert {f"grpc.{name}" for name in names} <= table.keys()
    return [*(table | {f"grpc.{name}": value for name, value in names.items()}).items()]


@asynccontextmanager
async def server(**changed: Any) -> AsyncIterator[int]:  # noqa: ANN401  as gRPC takes them
    running = grpc.aio.server(options=options(SERVER, **changed))
    servicer = health.aio.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, running)
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    try:
        yield port
    finally:
        await running.stop(0)


def channel(program: str, port: int, **changed: Any) -> grpc.aio.Channel:  # noqa: ANN401  likewise
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options(program, **changed))


async def call(
    channel: grpc.aio.Channel,
    body: bytes = b"",
    *,
    method: str = CHECK,
    **more: Any,  # noqa: ANN401
) -> bytes:
    invoke: Any = channel.unary_unary(method)
    answer: bytes = await invoke(body, timeout=more.pop("timeout", 10), **more)
    return answer


async def code_of(calling: Any) -> StatusCode:  # noqa: ANN401  a call or a coroutine of one
    try:
        await calling
    except grpc.aio.AioRpcError as error:
        return error.code()
    return StatusCode.OK


async def until(holds: Callable[[], object], seconds: float = 8) -> None:
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  the other side has nobody to tell us
            await asyncio.sleep(0.02)


# --- connections


@observes("server_handshake_timeout_ms", SERVER)
@pytest.mark.parametrize("said", [b"", b"PRI * H"])
async def test_who_says_nothing_is_dropped(said: bytes) -> None:
    async with server(server_handshake_timeout_ms=500) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        async with asyncio.timeout(5):
            while await reader.read(100):
                pass
        writer.close()


@observes("max_allowed_incoming_connections", SERVER)
async def test_connections_are_limited() -> None:
    async with server(max_allowed_incoming_connections=3) as port:
        wires = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert await code_of(call(channel(CLIENT, port), timeout=0.5)) != StatusCode.OK
        for _, writer in wires:
            writer.transport.abort()
        async with channel(CLIENT, port) as later:
            await call(later, wait_for_ready=True)


@observes("max_concurrent_streams", SERVER)
async def test_calls_at_once_on_a_connection_are_limited() -> None:
    async with server(max_concurrent_streams=2) as port, channel(CLIENT, port) as busy:
        watch: Any = busy.unary_stream("/grpc.health.v1.Health/Watch")
        watches = [watch(b"", timeout=20) for _ in range(2)]
        for each in watches:
            assert await each.read() is not grpc.aio.EOF

        assert await code_of(call(busy, timeout=0.5)) == StatusCode.DEADLINE_EXCEEDED
        watches[0].cancel()
        await call(busy)


async def refused_of_ten(size: int, **limits: int) -> int:
    """How many of ten calls with metadata of this size are refused."""
    large = [("x-large", "1" * size)]
    async with server(**limits) as port, channel(CLIENT, port) as client:
        codes = [await code_of(call(client, metadata=large)) for _ in range(10)]
    assert {*codes} <= {StatusCode.OK, StatusCode.RESOURCE_EXHAUSTED}
    return codes.count(StatusCode.RESOURCE_EXHAUSTED)


@observes("max_metadata_size", SERVER)
@observes("absolute_max_metadata_size", SERVER)
async def test_metadata_is_limited() -> None:
    """Between the two limits gRPC refuses by chance: so they are one."""
    large = METADATA_MAX_BYTES
    assert await refused_of_ten(large) == 10
    assert await refused_of_ten(large - 2_000) == 0
    assert await refused_of_ten(large, absolute_max_metadata_size=100 * large) < 10
    assert await refused_of_ten(3_000, max_metadata_size=1_000) < 10
    both = {"max_metadata_size": 1_000, "absolute_max_metadata_size": 2_000}
    assert await refused_of_ten(3_000, **both) == 10


@observes("so_reuseport", SERVER)
async def test_a_port_is_not_shared() -> None:
    async with server() as port:
        second = grpc.aio.server(options=options(SERVER))
        with pytest.raises(RuntimeError):
            second.add_insecure_port(f"127.0.0.1:{port}")


@observes("max_connection_age_ms", SERVER)
async def test_a_connection_ends_at_its_age() -> None:
    async with server(max_connection_age_ms=500) as port, client_of(port) as peer:
        await until(lambda: peer.goaway == "max_age")
        assert peer.age_s < 3


@observes("max_connection_age_grace_ms", SERVER)
async def test_after_its_age_a_connection_may_finish_for_a_while() -> None:
    async def lasts(grace_ms: int) -> bool:
        async with (
            server(max_connection_age_ms=300, max_connection_age_grace_ms=grace_ms) as port,
            client_of(port, answers_pings=False) as peer,
        ):
            await asyncio.sleep(2)
            return peer.closed_s is None

    assert [await lasts(300), await lasts(60_000)] == [False, True]


# --- keepalive of the server


@observes("keepalive_time_ms", SERVER)
@observes("keepalive_permit_without_calls", SERVER)
@observes("http2.ping_timeout_ms", SERVER)
async def test_a_client_that_does_not_answer_pings_is_dropped() -> None:
    async def closed_s(answers: bool, **changed: int) -> Peer:
        short = {"keepalive_time_ms": 500, "http2__ping_timeout_ms": 300, **changed}
        async with server(**short) as port, client_of(port, answers_pings=answers) as peer:
            await asyncio.sleep(2)
            return peer

    silent, well, unasked, in_no_hurry = await asyncio.gather(
        closed_s(answers=False),
        closed_s(answers=True),
        closed_s(answers=False, keepalive_permit_without_calls=0),
        closed_s(answers=False, http2__ping_timeout_ms=20_000),
    )
    assert silent.goaway == "ping_timeout"
    assert silent.closed_s is not None
    assert len(well.pings_s) >= 2
    assert well.closed_s is None
    assert unasked.pings_s == []
    assert (len(in_no_hurry.pings_s), in_no_hurry.closed_s) == (1, None)


@observes("http2.min_ping_interval_without_data_ms", SERVER)
@pytest.mark.parametrize(("pause_s", "welcome"), [(0.6, True), (0.2, False)])
async def test_clients_may_ping_but_not_too_often(pause_s: float, welcome: bool) -> None:
    async with (
        server(http2__min_ping_interval_without_data_ms=500) as port,
        client_of(port) as peer,
    ):
        for _ in range(8):
            peer.ping()
            await asyncio.sleep(pause_s)
        assert peer.goaway == ("" if welcome else "too_many_pings")


def test_clients_that_ping_every_ten_seconds_are_welcome() -> None:
    """And so are our own, which say how often."""
    interval_ms = dict(TABLES[SERVER])["grpc.http2.min_ping_interval_without_data_ms"]
    assert interval_ms < 10_000
    for program in (GATEWAY, CLIENT):
        assert dict(TABLES[program])["grpc.keepalive_time_ms"] > interval_ms


# --- keepalive of the channels


@observes("keepalive_time_ms", GATEWAY, CLIENT)
@observes("http2.ping_timeout_ms", GATEWAY, CLIENT)
@CHANNELS
async def test_a_service_that_does_not_answer_pings_is_left(program: str) -> None:
    short = {"keepalive_time_ms": 1_000, "http2__ping_timeout_ms": 300}
    async with (
        silent_server(answers_pings=False) as silent,
        channel(program, silent.port, **short) as to_silent,
    ):
        began_s = time.monotonic()
        code = await code_of(call(to_silent, timeout=20))
        assert code == StatusCode.UNAVAILABLE
        assert time.monotonic() - began_s < 10
        assert len(silent.peers[0].pings_s) == 1


@observes("keepalive_permit_without_calls", GATEWAY)
@observes("http2.max_pings_without_data", GATEWAY)
async def test_the_gateway_goes_on_asking_while_it_has_nothing_to_send() -> None:
    async def pings(**changed: int) -> int:
        async with (
            silent_server() as silent,
            channel(GATEWAY, silent.port, keepalive_time_ms=1_000, **changed) as to_silent,
        ):
            to_silent.get_state(try_to_connect=True)
            await asyncio.sleep(6.5)
            return len(silent.peers[0].pings_s)

    asked, without_calls, without_data = await asyncio.gather(
        pings(), pings(keepalive_permit_without_calls=0), pings(http2__max_pings_without_data=2)
    )
    assert asked >= 4
    assert without_calls == 0
    assert without_data <= 3


@observes("initial_reconnect_backoff_ms", GATEWAY)
@observes("max_reconnect_backoff_ms", GATEWAY, CLIENT)
@CHANNELS
async def test_a_service_that_is_back_is_noticed_soon(program: str) -> None:
    """By how often it is tried in four seconds; the pauses are up to a fifth longer or shorter."""

    async def tries(**changed: int) -> int:
        async with (
            silent_server(hangs_up=True) as absent,
            channel(program, absent.port, **changed) as to_absent,
        ):
            await code_of(call(to_absent, timeout=4, wait_for_ready=True))
            return len(absent.peers)

    longest, own = await asyncio.gather(tries(max_reconnect_backoff_ms=200), tries())
    assert longest >= 8
    assert own < longest
    if program == GATEWAY:
        patient = await tries(initial_reconnect_backoff_ms=3_000)
        assert patient < own


# --- sizes, retries, proxies


@observes("max_receive_message_length", SERVER)
async def test_a_request_that_is_too_large_is_refused() -> None:
    async with server() as port, channel(CLIENT, port) as client:
        most = dict(TABLES[SERVER])["grpc.max_receive_message_length"]
        code = await code_of(call(client, bytes(most + 1)))
        assert code == StatusCode.RESOURCE_EXHAUSTED


@asynccontextmanager
async def answering(answer: Any) -> AsyncIterator[int]:  # noqa: ANN401  a method of bytes and context
    """A service that answers events, and the health checks, so."""
    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    running = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    for name in (EVENTS, CHECK):
        _, service, method = name.split("/")
        running.add_registered_method_handlers(service, {method: handler})
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    try:
        yield port
    finally:
        await running.stop(0)


@observes("max_send_message_length", GATEWAY)
@observes("max_receive_message_length", GATEWAY)
async def test_the_gateway_sends_and_takes_no_more_than_it_says() -> None:
    table = dict(TABLES[GATEWAY])
    sent = table["grpc.max_send_message_length"]
    taken = table["grpc.max_receive_message_length"]

    async def answer(body: bytes, _context: object) -> bytes:
        return body[:1] * int(body[1:8] or 0)

    async with answering(answer) as port, channel(GATEWAY, port) as gateway:
        sizes = [(sent, 0), (sent + 1, 0), (8, taken), (8, taken + 1)]
        codes = [
            await code_of(call(gateway, (b"x%07d" % back).ljust(size, b" "), method=EVENTS))
            for size, back in sizes
        ]
    refused = StatusCode.RESOURCE_EXHAUSTED
    assert codes == [StatusCode.OK, refused, StatusCode.OK, refused]


@observes("service_config", GATEWAY, CLIENT)
@CHANNELS
async def test_a_call_that_found_no_service_is_repeated(program: str) -> None:
    times = 0

    async def answer(_body: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        nonlocal times
        times += 1
        if times < 3:
            await context.abort(StatusCode.UNAVAILABLE)
        return b""

    async with answering(answer) as port, channel(program, port) as client:
        await call(client, method=EVENTS)
    assert times == 3


@observes("enable_http_proxy", CLIENT)
async def test_plain_text_never_goes_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with silent_server() as proxy, server() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", "")
        async with channel(CLIENT, port) as client:
            await call(client)
        assert proxy.peers == []
        async with channel(CLIENT, port, enable_http_proxy=1) as client:
            await code_of(call(client, timeout=1))
        assert proxy.peers != []


# --- a crowd


@observes("server.max_pending_requests", SERVER)
@observes("server.max_pending_requests_hard_limit", SERVER)
async def test_a_crowd_is_not_canceled_by_grpc_itself() -> None:
    """All of it comes before the event loop, which the test shares, hands over the first."""

    async def answered(**changed: int) -> int:
        async with server(**changed) as port, channel(CLIENT, port) as client:
            await call(client)
            codes = await asyncio.gather(*(code_of(call(client, timeout=30)) for _ in range(2_000)))
            return codes.count(StatusCode.OK)

    limits = {"server__max_pending_requests": 20, "server__max_pending_requests_hard_limit": 40}
    assert await answered() == 2_000
    few = await answered(**limits)
    more = await answered(**limits | {"server__max_pending_requests_hard_limit": 20_000})
    assert 2 * few < more < 2_000
