"""Each call to Stripe is a span and a duration: whose call it was, how it ended, and no secret."""

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from service.domain.errors import StripeRefused
from service.domain.ids import EFFECT, show
from service.domain.records.effect import Effect
from tests.recorded import Metrics, Spans
from tests.records import new_effect
from tests.service.stripe.conftest import API_KEY, Stripe

EMAIL = "ada@example.com"


def new_customer() -> Effect:
    effect = new_effect()
    ours = {"effect": show(EFFECT, effect.effect_id)}
    effect.request = {"name": "Ada Lovelace", "email": EMAIL, "metadata": ours}
    return effect


async def test_a_call_tells_whose_it_was_and_how_it_ended(at_stripe: Stripe, spans: Spans) -> None:
    effect = new_customer()
    await at_stripe.send(effect)

    span = spans.named("stripe create_customer")
    attributes = dict(span.attributes or {})
    assert span.kind is SpanKind.CLIENT
    assert str(attributes.pop("stripe.request_id")).startswith("req_")
    assert attributes == {
        "escrow.stripe.operation": "create_customer",
        "escrow.stripe.outcome": "succeeded",
        "escrow.effect.id": show(EFFECT, effect.effect_id),
        "escrow.effect.generation": 1,
        "http.response.status_code": 200,
    }


async def test_a_call_that_nobody_knows_the_end_of_is_lost(at_stripe: Stripe, spans: Spans) -> None:
    await at_stripe.arm("/v1/customers", "status", status=500, times=3)
    await at_stripe.send(new_customer())

    span = spans.named("stripe create_customer")
    assert (span.attributes or {})["escrow.stripe.outcome"] == "lost"
    assert (span.attributes or {})["http.response.status_code"] == 500
    assert span.status.status_code is StatusCode.ERROR


async def test_what_was_asked_for_is_not_told(at_stripe: Stripe, spans: Spans) -> None:
    """Stripe's lists are asked by e-mail address, and refusals quote what was sent."""
    effect = new_customer()
    await at_stripe.find(effect)
    with pytest.raises(StripeRefused):
        await at_stripe.gateway.fetch_payment_intent("pi_of_nobody_secret_1")

    told = " ".join(span.to_json() for span in spans.ended)
    assert [span.name for span in spans.ended] == [
        "stripe find create_customer",
        "stripe read payment_intent",
    ]
    for secret in (EMAIL, "Lovelace", API_KEY, "_secret_"):
        assert secret not in told


async def test_durations_are_counted_by_operation_and_outcome(
    at_stripe: Stripe, metrics: Metrics
) -> None:
    await at_stripe.send(new_customer())
    await at_stripe.send(new_customer())
    with pytest.raises(StripeRefused):
        await at_stripe.gateway.fetch_payment_intent("pi_1")

    points = metrics.points()["escrow.stripe.call.duration"]
    assert {labels: point.count for labels, point in points.items()} == {
        ("create_customer", "succeeded"): 2,
        ("read payment_intent", "rejected"): 1,
    }
