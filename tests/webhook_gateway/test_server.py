import asyncio
import gzip
import re
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp
import grpc
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from escrow.v1.stripe_event_service_pb2 import (
    INGEST_OUTCOME_DUPLICATE,
    INGEST_OUTCOME_QUARANTINED,
    STRIPE_ENDPOINT_CONNECT,
    STRIPE_ENDPOINT_PLATFORM,
    IngestStripeEventResult,
)
from tests.webhook_gateway.neighbours import (
    CONNECT_SECRET,
    PLATFORM_PREVIOUS_SECRET,
    Gateway,
    Peer,
    refused,
    sign,
)
from webhook_gateway.config import Settings
from webhook_gateway.ingestion import CHANNEL_OPTIONS, EventIngestion
from webhook_gateway.server import MAX_BODY_BYTES, ListenError, WebhookHandler, running
from webhook_gateway.service_access import ServiceAccess
from webhook_gateway.telemetry import Telemetry
from webhook_gateway.tenants import Tenants

EVENT = b'{ "id": "evt_1",\n "type": "charge.updated", "object": "event", "name": "\xc3\xa9" }'


async def test_a_signed_event_reaches_the_service_byte_for_byte(
    gateway: Gateway, peer: Peer
) -> None:
    assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")
    (request,) = peer.service.received
    assert request.payload == EVENT
    assert request.endpoint == STRIPE_ENDPOINT_PLATFORM
    assert abs(request.receive_time.ToNanoseconds() / 1e9 - time.time()) < 10


async def test_the_service_is_told_who_calls_and_for_which_tenant(
    gateway: Gateway, peer: Peer
) -> None:
    await gateway.post(EVENT, sign(EVENT))
    (metadata,) = peer.service.metadata
    assert metadata["escrow-tenant"] == "default"
    assert metadata["escrow-caller"] == "webhook-gateway"
    assert metadata["escrow-role"] == "gateway"


async def test_each_endpoint_has_its_own_secret(gateway: Gateway, peer: Peer) -> None:
    connect = "/stripe/default/connect"
    signature = sign(EVENT, CONNECT_SECRET)
    assert await gateway.post(EVENT, signature, path=connect) == (200, "stored")
    assert peer.service.received[0].endpoint == STRIPE_ENDPOINT_CONNECT
    assert await gateway.post(EVENT, signature) == (400, "signature_mismatch")
    assert await gateway.post(EVENT, sign(EVENT), path=connect) == (400, "signature_mismatch")
    assert len(peer.service.received) == 1


async def test_the_previous_secret_is_good_during_a_rotation(gateway: Gateway) -> None:
    assert await gateway.post(EVENT, sign(EVENT, PLATFORM_PREVIOUS_SECRET)) == (200, "stored")


async def test_every_outcome_of_the_service_is_2xx(gateway: Gateway, peer: Peer) -> None:
    peer.service.outcome = INGEST_OUTCOME_DUPLICATE
    assert await gateway.post(EVENT, sign(EVENT)) == (200, "duplicate")
    peer.service.outcome = INGEST_OUTCOME_QUARANTINED
    assert await gateway.post(EVENT, sign(EVENT)) == (200, "quarantined")
    peer.service.outcome = 99  # type: ignore[assignment]  # of a service newer than this gateway
    assert await gateway.post(EVENT, sign(EVENT)) == (200, "accepted")


NAN = b'{"id": "evt_1", "type": "charge.updated", "amount": NaN}'
ARRAY = b'[{"id": "evt_1", "type": "charge.updated"}]'


@pytest.mark.parametrize(
    ("body", "signed", "outcome"),
    [
        (EVENT, list, "signature_missing"),
        (EVENT, lambda: [""], "signature_malformed"),
        (EVENT, lambda: ["t=1,v1=" + "0" * 64], "signature_mismatch"),
        (EVENT, lambda: [sign(EVENT, "whsec_wrong")], "signature_mismatch"),
        (EVENT, lambda: [sign(EVENT, age_s=600)], "signature_expired"),
        (EVENT, lambda: [sign(EVENT, age_s=-600)], "signature_in_future"),
        (EVENT, lambda: [sign(EVENT), sign(EVENT)], "signature_repeated"),
        (EVENT, lambda: [sign(EVENT) + ",v1=é"], "signature_malformed"),
        (EVENT[:-1], lambda: [sign(EVENT)], "signature_mismatch"),
        (b"", lambda: [sign(b"")], "body_not_json"),
        (b'{"id": "\xff\xfe"}', lambda: [sign(EVENT)], "body_not_utf8"),
        (NAN, lambda: [sign(NAN)], "body_not_json"),
        (ARRAY, lambda: [sign(ARRAY)], "body_not_an_event"),
        (b'{"id": "evt_1"}', lambda: [sign(b'{"id": "evt_1"}')], "body_not_an_event"),
        (b"[" * 300_000, lambda: [sign(b"[" * 300_000)], "body_not_json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_not_an_event_of_stripe_goes_no_further(
    gateway: Gateway, peer: Peer, body: bytes, signed: Callable[[], list[str]], outcome: str
) -> None:
    assert await gateway.post(body, *signed()) == (400, outcome)
    assert peer.service.received == []


async def test_a_compressed_body_is_refused_and_not_unpacked(gateway: Gateway) -> None:
    body = gzip.compress(EVENT)
    answer = await gateway.post(body, sign(EVENT), **{"Content-Encoding": "gzip"})
    assert answer == (400, "body_compressed")


async def test_the_largest_body_passes_and_a_larger_one_does_not(
    gateway: Gateway, peer: Peer
) -> None:
    largest = EVENT + b" " * (MAX_BODY_BYTES - len(EVENT))
    assert await gateway.post(largest, sign(largest)) == (200, "stored")
    assert await gateway.post(largest + b" ", sign(largest + b" ")) == (413, "body_too_large")
    assert [len(request.payload) for request in peer.service.received] == [MAX_BODY_BYTES]


async def raw_exchange(gateway: Gateway, request: bytes, *, cut: bool = False) -> bytes:
    """The answer to bytes that no HTTP client would send; ``cut`` closes our side after them."""
    address = urlsplit(gateway.address)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        if cut:
            writer.write_eof()
        return await asyncio.wait_for(reader.read(), timeout=5)
    finally:
        writer.close()
        await writer.wait_closed()


HEAD = b"POST /stripe/default/platform HTTP/1.1\r\nHost: gateway\r\n"


async def test_a_body_that_does_not_arrive_in_time_is_given_up(
    gateway: Gateway, peer: Peer
) -> None:
    answer = await raw_exchange(gateway, HEAD + b"Content-Length: 100\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert peer.service.received == []


async def test_a_connection_cut_within_the_body_harms_nobody(gateway: Gateway, peer: Peer) -> None:
    await raw_exchange(gateway, HEAD + b"Content-Length: 100\r\n\r\n{", cut=True)
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    answer = await raw_exchange(gateway, HEAD + chunked + b"zz\r\n{\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")  # the parser answers: it is no HTTP
    assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")
    assert len(peer.service.received) == 1


async def test_a_header_of_raw_bytes_is_refused(gateway: Gateway) -> None:
    body = b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(EVENT), EVENT)
    answer = await raw_exchange(gateway, HEAD + b"Stripe-Signature: t=1,v1=\xff\xfe\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"signature_malformed" in answer


async def test_an_unknown_tenant_looks_like_any_unknown_path(gateway: Gateway) -> None:
    nowhere = await gateway.post(EVENT, sign(EVENT), path="/nowhere")
    assert nowhere[0] == 404
    for path in ("/stripe/other/platform", "/stripe/default/other", "/stripe/%ff/connect"):
        assert await gateway.post(EVENT, sign(EVENT), path=path) == nowhere


async def test_only_post_is_answered(gateway: Gateway) -> None:
    async with gateway.http.get(gateway.address + "/stripe/default/platform") as answer:
        assert answer.status == 405


@pytest.mark.parametrize(
    "code",
    [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK],
    ids=lambda code: code.name,
)
async def test_only_an_event_that_the_service_calls_invalid_is_400(
    gateway: Gateway, peer: Peer, code: grpc.StatusCode
) -> None:
    peer.service.results[EVENT] = refused(code)
    status, outcome = await gateway.post(EVENT, sign(EVENT))
    assert status == (400 if code is grpc.StatusCode.INVALID_ARGUMENT else 503)
    assert outcome == f"service_{code.name.lower()}"


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL], ids=lambda code: code.name
)
async def test_a_call_that_fails_is_no_verdict_on_its_events(
    gateway: Gateway, peer: Peer, code: grpc.StatusCode
) -> None:
    peer.service.refusal = code
    assert await gateway.post(EVENT, sign(EVENT)) == (503, f"service_{code.name.lower()}")


async def test_a_result_of_a_newer_service_that_is_no_outcome_is_not_stored(
    gateway: Gateway, peer: Peer
) -> None:
    peer.service.results[EVENT] = IngestStripeEventResult()
    assert await gateway.post(EVENT, sign(EVENT)) == (503, "service_unknown")


async def test_without_the_service_stripe_is_asked_to_come_again(
    gateway: Gateway, peer: Peer
) -> None:
    await peer.stop()
    async with gateway.http.post(
        gateway.address + "/stripe/default/platform",
        data=EVENT,
        headers={"Stripe-Signature": sign(EVENT)},
    ) as answer:
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert not await is_ready(gateway)
    async with gateway.http.get(gateway.address + "/healthz") as answer:
        assert answer.status == 200


async def test_a_service_that_comes_back_is_found_again(gateway: Gateway, peer: Peer) -> None:
    await peer.stop()
    assert (await gateway.post(EVENT, sign(EVENT)))[0] == 503
    await peer.start()
    await until(lambda: is_ready(gateway))
    assert await gateway.post(EVENT, sign(EVENT)) == (200, "stored")


async def test_a_slow_service_is_not_waited_for(
    settings: Settings, tenants: Tenants, telemetry: Telemetry, peer: Peer
) -> None:
    peer.service.gate.clear()
    impatient = settings.model_copy(update={"deadline_s": 0.2})
    async with (
        running(impatient, tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        answer = await Gateway(address, http).post(EVENT, sign(EVENT))
    assert answer == (503, "service_deadline_exceeded")


async def test_a_bug_of_ours_costs_no_event(
    settings: Settings, tenants: Tenants, telemetry: Telemetry
) -> None:
    """A channel that is closed too early raises what nobody expects of a call."""
    access = ServiceAccess(settings.service_target, CHANNEL_OPTIONS, None, None, 1)
    ingestion = EventIngestion(access, 1, telemetry.tracer)
    await ingestion.close()
    app = web.Application()
    app.add_routes(WebhookHandler(settings, tenants, ingestion, telemetry).routes())
    async with TestServer(app) as server, aiohttp.ClientSession() as http:
        gateway = Gateway(str(server.make_url("")).rstrip("/"), http)
        with capture_logs() as lines:
            assert await gateway.post(EVENT, sign(EVENT)) == (503, "internal_error")
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("webhook_failed", "error"),
        ("webhook", "warning"),
    ]


async def test_what_is_in_flight_is_answered_before_the_gateway_leaves(
    settings: Settings, tenants: Tenants, telemetry: Telemetry, peer: Peer
) -> None:
    peer.service.gate.clear()
    gateway = running(settings, tenants, telemetry)
    async with aiohttp.ClientSession() as http:
        address = await gateway.__aenter__()
        delivery = asyncio.create_task(Gateway(address, http).post(EVENT, sign(EVENT)))
        await peer.service.arrival.wait()
        leaving = asyncio.create_task(gateway.__aexit__(None, None, None))
        await until(lambda: is_refused(address))
        assert not delivery.done()
        peer.service.gate.set()
        assert await delivery == (200, "stored")
        await leaving


async def is_refused(address: str) -> bool:
    where = urlsplit(address)
    try:
        _, writer = await asyncio.open_connection(where.hostname, where.port)
    except ConnectionError:
        return True
    writer.close()
    await writer.wait_closed()
    return False


async def is_ready(gateway: Gateway) -> bool:
    async with gateway.http.get(gateway.address + "/readyz") as answer:
        return answer.status == 200


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Asks again and again, since the other side of a network has nobody to tell us."""
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.02)


def numbered(count: int, size_bytes: int = 0) -> list[bytes]:
    """So many events, each padded to this size."""
    bodies = [b'{"id": "evt_%d", "type": "charge.updated"}' % number for number in range(count)]
    return [body.ljust(size_bytes) for body in bodies]


async def test_many_deliveries_at_once_are_all_stored(gateway: Gateway, peer: Peer) -> None:
    bodies = numbered(100)
    answers = await asyncio.gather(*(gateway.post(body, sign(body)) for body in bodies))
    assert set(answers) == {(200, "stored")}
    assert sorted(request.payload for request in peer.service.received) == sorted(bodies)


async def test_deliveries_at_once_share_calls_and_each_is_answered_for_itself(
    gateway: Gateway, peer: Peer
) -> None:
    bodies = numbered(100)
    peer.service.results |= {
        bodies[1]: IngestStripeEventResult(outcome=INGEST_OUTCOME_DUPLICATE),
        bodies[2]: refused(grpc.StatusCode.INVALID_ARGUMENT),
        bodies[3]: refused(grpc.StatusCode.INTERNAL),
    }
    peer.service.gate.clear()
    first = asyncio.create_task(gateway.post(bodies[0], sign(bodies[0])))
    await peer.service.arrival.wait()
    rest = [asyncio.create_task(gateway.post(body, sign(body))) for body in bodies[1:]]
    await asyncio.sleep(0.1)
    peer.service.gate.set()

    assert await first == (200, "stored")
    assert await asyncio.gather(*rest) == [
        (200, "duplicate"),
        (400, "service_invalid_argument"),
        (503, "service_internal"),
        *[(200, "stored")] * 96,
    ]
    assert len(peer.service.calls) < 20
    assert sorted(event.payload for event in peer.service.received) == sorted(bodies)


async def test_the_largest_bodies_at_once_fit_what_the_service_receives(
    gateway: Gateway, peer: Peer
) -> None:
    bodies = numbered(5, MAX_BODY_BYTES) + numbered(5, MAX_BODY_BYTES // 2) + numbered(5)
    answers = await asyncio.gather(*(gateway.post(body, sign(body)) for body in bodies))
    assert set(answers) == {(200, "stored")}
    assert sorted(event.payload for event in peer.service.received) == sorted(bodies)


async def test_a_call_that_breaks_off_costs_its_events_only(gateway: Gateway, peer: Peer) -> None:
    peer.service.gate.clear()
    bodies = numbered(10)
    broken = [asyncio.create_task(gateway.post(body, sign(body))) for body in bodies]
    await peer.service.arrival.wait()
    await peer.stop()
    assert {status for status, _ in await asyncio.gather(*broken)} == {503}

    peer.service.gate.set()
    await peer.start()
    await until(lambda: is_ready(gateway))
    again = await asyncio.gather(*(gateway.post(body, sign(body)) for body in bodies))
    assert set(again) == {(200, "stored")}


async def test_a_call_that_hangs_holds_nobody_up(gateway: Gateway, peer: Peer) -> None:
    """As when one of the service's pods does not answer any more."""
    held = peer.service.gate = asyncio.Event()
    stuck = asyncio.create_task(gateway.post(EVENT, sign(EVENT)))
    await peer.service.arrival.wait()
    peer.service.gate = asyncio.Event()
    peer.service.gate.set()

    bodies = numbered(3)
    async with asyncio.timeout(3):
        answers = await asyncio.gather(*(gateway.post(body, sign(body)) for body in bodies))
    assert set(answers) == {(200, "stored")}
    assert not stuck.done()
    held.set()
    assert await stuck == (200, "stored")


async def test_nobody_waits_longer_than_the_own_deadline(
    settings: Settings, tenants: Tenants, telemetry: Telemetry, peer: Peer
) -> None:
    peer.service.gate.clear()
    impatient = settings.model_copy(update={"deadline_s": 1.0})
    waited_s = []

    async def post(gateway: Gateway, body: bytes) -> tuple[int, str]:
        started = time.perf_counter()
        answer = await gateway.post(body, sign(body))
        waited_s.append(time.perf_counter() - started)
        return answer

    async with (
        running(impatient, tenants, telemetry) as address,
        aiohttp.ClientSession() as http,
    ):
        gateway = Gateway(address, http)
        # Large ones, each of which leaves alone: most of them are still waiting at the end.
        answers = await asyncio.gather(*(post(gateway, body) for body in numbered(20, 500_000)))
    assert set(answers) == {(503, "service_deadline_exceeded")}
    assert max(waited_s) < 4
    assert len(peer.service.received) < 20


async def test_a_delivery_that_is_gone_does_not_travel(gateway: Gateway, peer: Peer) -> None:
    peer.service.gate.clear()
    ahead = [  # large ones, each of which leaves alone and is waited for
        asyncio.create_task(gateway.post(body, sign(body))) for body in numbered(6, MAX_BODY_BYTES)
    ]

    async def are_waiting() -> bool:
        return len(peer.service.calls) == 2

    await until(are_waiting)
    with capture_logs() as lines:
        gone = asyncio.create_task(gateway.post(EVENT, sign(EVENT)))
        await asyncio.sleep(0.2)
        gone.cancel()

        async def is_logged() -> bool:
            return bool(lines)

        await until(is_logged)
    assert [(line["outcome"], line["status"]) for line in lines] == [("unanswered", 499)]
    peer.service.gate.set()
    assert set(await asyncio.gather(*ahead)) == {(200, "stored")}
    assert EVENT not in [event.payload for event in peer.service.received]


async def test_a_taken_port_is_one_clear_line(
    gateway: Gateway, settings: Settings, tenants: Tenants, telemetry: Telemetry
) -> None:
    taken = settings.model_copy(update={"port": urlsplit(gateway.address).port})
    with pytest.raises(ListenError, match=r"^cannot listen on 127\.0\.0\.1:\d+: .+$"):
        async with running(taken, tenants, telemetry):
            pass


async def test_a_delivery_leaves_one_line_of_log_and_no_secret(gateway: Gateway) -> None:
    signature = sign(EVENT)
    with capture_logs() as lines:
        await gateway.post(EVENT, signature)
        await gateway.post(EVENT, "t=1,v1=" + "0" * 64)
    assert [(line["event"], line["outcome"], line["event_id"]) for line in lines] == [
        ("webhook", "stored", "evt_1"),
        ("webhook", "signature_mismatch", None),
    ]
    assert lines[0]["tenant"] == "default"
    assert lines[0]["endpoint"] == "platform"
    assert lines[0]["event_type"] == "charge.updated"
    assert lines[0]["duration_ms"] > 0
    for private in ("whsec", signature, "0" * 64, "object"):
        assert private not in str(lines)


async def test_the_trace_goes_on_in_the_service(
    gateway: Gateway, peer: Peer, spans: InMemorySpanExporter
) -> None:
    theirs = "00-11111111111111111111111111111111-2222222222222222-01"
    await gateway.post(EVENT, sign(EVENT), traceparent=theirs)
    call, delivery = spans.get_finished_spans()
    assert call.context is not None
    assert delivery.context is not None
    ids = call.context
    traceparent = f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"
    assert peer.service.metadata[0]["traceparent"] == traceparent
    assert call.parent == delivery.context
    assert delivery.parent is None  # a trace context from the internet is not taken over
    assert re.fullmatch(r"POST /stripe/\{tenant\}/platform", delivery.name)


async def test_every_event_of_a_call_keeps_its_own_trace(
    gateway: Gateway, peer: Peer, spans: InMemorySpanExporter
) -> None:
    peer.service.gate.clear()
    bodies = numbered(4)
    first = asyncio.create_task(gateway.post(bodies[0], sign(bodies[0])))
    await peer.service.arrival.wait()
    rest = [asyncio.create_task(gateway.post(body, sign(body))) for body in bodies[1:]]
    await asyncio.sleep(0.1)
    peer.service.gate.set()
    await asyncio.gather(first, *rest)

    ids = {span.context.span_id: span for span in spans.get_finished_spans() if span.context}
    deliveries = [span for span in ids.values() if span.parent is None]
    assert len({span.context.trace_id for span in deliveries if span.context}) == 4
    for event in peer.service.received:
        _, trace_id, span_id, _ = event.traceparent.split("-")
        delivery = ids[int(span_id, 16)]
        assert delivery in deliveries
        assert delivery.context is not None
        assert delivery.context.trace_id == int(trace_id, 16)
    shared = next(span for span in ids.values() if span.links)
    assert shared.parent is not None
    told = [
        [int(event.traceparent.split("-")[2], 16) for event in call.requests]
        for call in peer.service.calls
    ]
    assert [shared.parent.span_id, *(link.context.span_id for link in shared.links)] in told
