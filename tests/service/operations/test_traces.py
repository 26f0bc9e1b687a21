"""One trace from who asks to what Stripe answered, through everything that waits on the way."""

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind

from tests.recorded import Spans
from tests.service.operations.later import PAUSE, Later
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.transfers import accepted, lose_answer

ACCEPT = "escrow.v1.EscrowService/AcceptDelivery"
INGEST = "escrow.v1.StripeEventService/IngestStripeEvent"
FUND = "escrow.v1.EscrowService/FundEscrow"
OPERATIONS = "SELECT kind FROM operations WHERE trace_id = $1 ORDER BY operation_id"


def of_kind(spans: Spans, kind: str) -> list[ReadableSpan]:
    """The attempts at effects of this kind, oldest first."""
    return [
        span
        for span in spans.ended
        if span.name == "perform_effect" and (span.attributes or {})["escrow.effect.kind"] == kind
    ]


def context_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def is_child(span: ReadableSpan, of: ReadableSpan) -> bool:
    parent, context = span.parent, context_of(of)
    return parent is not None and (parent.trace_id, parent.span_id) == (
        context.trace_id,
        context.span_id,
    )


async def operations_of(market: Marketplace, span: ReadableSpan) -> list[str]:
    rows = await market.owner.fetch(OPERATIONS, f"{context_of(span).trace_id:032x}")
    return [row["kind"] for row in rows]


async def test_a_worker_sends_in_the_trace_of_who_decided(
    market: Marketplace, spans: Spans
) -> None:
    await accepted(market)
    await market.effects.run_once()

    accept, (attempt,) = spans.named(ACCEPT), of_kind(spans, "create_transfer")
    call = spans.named("stripe create_transfer")
    assert is_child(attempt, accept)
    assert is_child(call, attempt)
    assert call.kind is SpanKind.CLIENT
    assert await operations_of(market, accept) == ["accept_delivery", "settle_effect"]


async def test_a_call_that_a_client_waits_for_is_below_it(
    market: Marketplace, spans: Spans
) -> None:
    await market.fund(await market.new_escrow())

    (attempt,) = of_kind(spans, "create_payment_intent")
    assert is_child(attempt, spans.named(FUND))
    assert is_child(spans.named("stripe create_payment_intent"), attempt)


async def test_every_attempt_at_an_effect_is_in_its_trace(
    market: Marketplace, spans: Spans
) -> None:
    await accepted(market)
    await lose_answer(market)
    await market.effects.run_once()
    later = Later(market)
    await later.pass_by(PAUSE)
    await later.effects.run_once()

    accept, attempts = spans.named(ACCEPT), of_kind(spans, "create_transfer")
    assert [is_child(attempt, accept) for attempt in attempts] == [True, True]
    assert is_child(spans.named("stripe create_transfer"), attempts[0])
    assert is_child(spans.named("stripe find create_transfer"), attempts[1])


async def test_an_event_is_applied_in_the_trace_of_its_delivery(
    market: Marketplace, spans: Spans
) -> None:
    escrow = await market.new_escrow()
    await market.pay(await market.fund(escrow))
    (paid,) = [told for told in await market.news() if told["type"] == "payment_intent.succeeded"]
    await market.tell(paid)
    await market.inbox.run_once()

    delivery, applied = spans.named(INGEST), spans.named("apply_stripe_event")
    assert is_child(applied, delivery)
    assert (applied.attributes or {})["escrow.event.id"] == paid["id"]
    assert await operations_of(market, delivery) == ["apply_stripe_event"]


async def test_who_asks_again_begins_a_trace_and_links_the_first(
    market: Marketplace, spans: Spans
) -> None:
    payee = await accepted(market)
    path = f"accounts/{payee.stripe_account}/restrict"
    await market.sandbox.control(path, silently=True)
    await market.effects.run_once()
    await market.sandbox.control(path, lifted=True, silently=True)
    await Later(market).ask_again()

    accept, renewal = spans.named(ACCEPT), spans.named("request_transfer")
    first, second = of_kind(spans, "create_transfer")
    assert is_child(first, accept)
    assert is_child(second, renewal)
    assert renewal.parent is None
    # Its loads and its commit are linked as well.
    assert context_of(accept).span_id in {link.context.span_id for link in renewal.links}
    assert "settle_effect" in await operations_of(market, renewal)
