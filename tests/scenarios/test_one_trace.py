"""One trace from whoever asks, or from Stripe's webhook, to the commit of what came of it.

`make trace` runs this and shows the traces; the processes are real, and export to a collector here.
"""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from tests.collector import Collector, Span, collecting
from tests.postgres import Server
from tests.scenarios.deal import open_deal
from tests.scenarios.sandbox_client import API_KEY
from tests.world import CONNECT_SECRET, PLATFORM_SECRET, World, open_world

SERVICE, WORKER, GATEWAY = "escrow-service-server", "escrow-service-worker", "escrow-gateway"
ACCEPT = "escrow.v1.EscrowService/AcceptDelivery"
INGEST = "escrow.v1.StripeEventService/BatchIngestStripeEvents"
OURS = ("service", "worker", "gateway")
# What belongs to nobody but the parties and us; the payment's client secret is added to it.
PRIVATE = (
    *(API_KEY, PLATFORM_SECRET, CONNECT_SECRET),
    *("ann@example.com", "bob@example.com", "Ann Payer", "Bob Payee"),
)


@dataclass
class Told:
    """What was told of a deal that went all the way, by programs that have ended since."""

    collector: Collector
    caller: tuple[str, str]  # trace id, span id
    private: tuple[str, ...]
    logs: dict[str, str]  # by program

    def one(self, name: str, program: str, **attributes: object) -> Span:
        spans = self.collector.named(name, **attributes)
        (span,) = (span for span in spans if span.program == program)
        return span

    def child(self, name: str, of: Span) -> Span:
        (span,) = (span for span in self.collector.named(name) if span.parent_id == of.span_id)
        return span

    def commit_of(self, span: Span) -> Span:
        """The shared commit that wrote what was decided in this span: each links the other. One
        that was overtaken by another writer comes before it.
        """
        tried = (each for each in self.collector.named("commit") if span.span_id in each.links)
        commit = max(tried, key=lambda each: each.started_s)
        assert commit.span_id in span.links
        return commit

    def lines(self, program: str) -> Iterator[dict[str, Any]]:
        """The program's log."""
        for line in self.logs[program].splitlines():
            if line.startswith("{"):
                yield json.loads(line)


@pytest.fixture(scope="module")
async def told(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Told]:
    folder = tmp_path_factory.mktemp("traced")
    async with collecting() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
        async with open_world(
            postgres_server, template_database, folder, environment=environment
        ) as world:
            caller, client_secret = await go_all_the_way(world)
            for name in OURS:  # whatever they have not told yet, they tell now
                await world.stop(name)
        logs = {name: world.programs[name].log.read_text() for name in OURS}
        yield Told(collector, caller, (*PRIVATE, client_secret), logs)


async def go_all_the_way(world: World) -> tuple[tuple[str, str], str]:
    """Funded by card, delivered, accepted within a trace of the caller's, and transferred."""
    deal = await open_deal(world)
    await deal.pay_for()
    client_secret = deal.payment.client_secret
    assert client_secret
    await deal.deliver()
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    await deal.as_payer.escrows.AcceptDelivery(
        deal.acceptance(), metadata=[("traceparent", f"00-{trace_id}-{span_id}-01")]
    )
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    await world.settle()
    return (trace_id, span_id), client_secret


def test_a_call_is_one_trace_from_the_caller_to_the_commit_of_stripes_answer(told: Told) -> None:
    trace_id, caller = told.caller
    accept = told.one(ACCEPT, SERVICE)
    decided = told.commit_of(accept)
    attempt = told.child("perform_effect", of=accept)
    call = told.child("stripe create_transfer", of=attempt)
    settled = told.commit_of(attempt)
    show("a call", told.collector, trace_id)

    assert accept.parent_id == caller
    assert [decided.program, attempt.program, call.program, settled.program] == [
        SERVICE,
        WORKER,
        WORKER,
        WORKER,
    ]
    assert {accept.trace_id, attempt.trace_id, call.trace_id} == {trace_id}
    assert call.attributes["http.response.status_code"] == 200
    assert decided.started_s <= attempt.started_s <= call.started_s <= settled.started_s


def test_a_webhook_is_one_trace_from_the_gateway_to_the_commit_of_what_it_means(told: Told) -> None:
    applied = told.one("apply_stripe_event", WORKER, escrow_event_type="payment_intent.succeeded")
    (delivery,) = (span for span in told.collector.spans if span.span_id == applied.parent_id)
    (sent,) = (
        span
        for span in told.collector.named(INGEST)
        if span.program == GATEWAY and delivery.span_id in (span.parent_id, *span.links)
    )
    stored = told.child(INGEST, of=sent)
    committed = told.commit_of(applied)
    show("a webhook", told.collector, applied.trace_id)

    assert (delivery.name, delivery.program) == ("POST /stripe/{tenant}/platform", GATEWAY)
    assert delivery.parent_id == ""
    assert delivery.trace_id == applied.trace_id
    assert (stored.program, committed.program) == (SERVICE, WORKER)
    assert committed.attributes["escrow.commit.units"] >= 1


def test_every_program_tells_what_it_measures(told: Told) -> None:
    metrics = told.collector.metrics

    assert {"rpc.server.call.duration", "escrow.event_loop.lag"} <= metrics[SERVICE].keys()
    assert {"escrow.stripe.call.duration", "escrow.queue.items"} <= metrics[WORKER].keys()
    assert "http.server.request.duration" in metrics[GATEWAY]


def test_nothing_that_is_told_is_private(told: Told) -> None:
    spans = [span.text for span in told.collector.spans]
    metrics = [text for by_name in told.collector.metrics.values() for text in by_name.values()]
    logs = [line for log in told.logs.values() for line in log.splitlines()]

    assert len(spans) > 50
    for text in (*spans, *metrics, *logs):
        assert not [private for private in told.private if private in text], text


def test_what_the_worker_logs_of_an_item_names_its_span(told: Told) -> None:
    trace_id, _ = told.caller
    lines = [line for line in told.lines("worker") if line.get("event") == "effect"]
    spans = {span.span_id: span for span in told.collector.named("perform_effect")}

    assert [line["trace_id"] for line in lines if line["kind"] == "create_transfer"] == [trace_id]
    for line in lines:
        assert spans[line["span_id"]].trace_id == line["trace_id"]


def show(title: str, collector: Collector, trace_id: str) -> None:
    """Prints a trace as a tree, and below each span the commits of other traces that it shared."""
    spans = collector.trace(trace_id)
    ids = {span.span_id for span in spans}
    began_s = spans[0].started_s
    print(f"\n{title}: trace {trace_id}")  # noqa: T201 - for whoever asks with -s

    def branch(span: Span, depth: int) -> None:
        name = "  " * depth + span.name.removeprefix("escrow.v1.")
        after_ms, took_ms = (span.started_s - began_s) * 1e3, span.duration_s * 1e3
        print(f"  {span.program:22} {name:58} +{after_ms:7.1f} ms {took_ms:7.1f} ms")  # noqa: T201
        for shared in (each for each in collector.spans if each.span_id in span.links):
            if shared.trace_id != trace_id and shared.name in ("commit", "load"):
                print(f"  {shared.program:22} {'  ' * depth}  ~ {shared.name}, in another trace")  # noqa: T201
        for child in (each for each in spans if each.parent_id == span.span_id):
            branch(child, depth + 1)

    for span in spans:
        if span.parent_id not in ids:
            branch(span, 0)
