"""Events that were set aside: applied again, or dismissed by somebody who says why."""

import asyncio
import json
from typing import Any

import grpc

from escrow.client import new_request_id
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.events.forgeries import forged, held, paid_at_stripe, verdict
from tests.service.operations.marketplace import Event, Marketplace
from tests.service.operations.operators.stuck import REASON, event_set_aside, read_event

SET_ASIDE = op.ListStripeEventsRequest(filter=op.STRIPE_EVENT_FILTER_NEEDS_PERSON)
DISMISSED = op.ListStripeEventsRequest(filter=op.STRIPE_EVENT_FILTER_DISMISSED)


def retry(event: Event) -> op.RetryStripeEventRequest:
    return op.RetryStripeEventRequest(
        request_id=new_request_id(), event_id=event["id"], reason=REASON
    )


def dismissal(event: Event) -> op.DismissStripeEventRequest:
    return op.DismissStripeEventRequest(
        request_id=new_request_id(), event_id=event["id"], reason=REASON
    )


async def listed(market: Marketplace, request: op.ListStripeEventsRequest) -> list[str]:
    return [e.id for e in (await market.operator.operators.ListStripeEvents(request)).events]


async def mend(market: Marketplace, event: Event, **changes: Any) -> None:  # noqa: ANN401  any JSON
    """A new release reads the stored event rightly: as if it had been told so."""
    event["data"]["object"] |= changes
    statement = "UPDATE stripe_events SET payload = $2 WHERE event_id = $1"
    await market.owner.execute(statement, event["id"], json.dumps(event).encode())


async def test_it_is_listed_with_why_it_waits(market: Marketplace) -> None:
    escrow, event = await event_set_aside(market)

    shown = await read_event(market, event)

    assert await listed(market, SET_ASIDE) == [event["id"]]
    assert (shown.state, shown.needs_person) == (op.STRIPE_EVENT_STATE_SUSPENSE, True)
    assert shown.reason == "Contradiction: the payment's amount is 10500, not 1"
    assert (shown.escrow_id, shown.object_id) == (escrow.id, event["data"]["object"]["id"])
    assert (shown.type, shown.endpoint) == ("payment_intent.succeeded", "PLATFORM")


async def test_once_the_fault_is_mended_it_is_applied(market: Marketplace) -> None:
    escrow, event = await event_set_aside(market)
    await mend(market, event, amount=10_500, amount_received=10_500)

    retried = (await market.operator.operators.RetryStripeEvent(retry(event))).event
    assert (retried.state, retried.attempts) == (op.STRIPE_EVENT_STATE_RECEIVED, 0)
    await market.work()

    assert (await read_event(market, event)).state == op.STRIPE_EVENT_STATE_PROCESSED
    assert await held(market, escrow) == 10_000
    entry = next(e for e in await market.timeline(escrow) if e.operation == "retry_stripe_event")
    assert (entry.actor, entry.note) == ("operator", f"{event['id']}: {REASON}")


async def test_what_still_contradicts_is_set_aside_again(market: Marketplace) -> None:
    escrow, event = await event_set_aside(market)

    await market.operator.operators.RetryStripeEvent(retry(event))
    await market.work()

    assert (await read_event(market, event)).state == op.STRIPE_EVENT_STATE_SUSPENSE
    assert await held(market, escrow) == 0


async def test_a_dismissed_event_is_kept_and_can_be_tried_later(market: Marketplace) -> None:
    escrow, event = await event_set_aside(market)

    ended = (await market.operator.operators.DismissStripeEvent(dismissal(event))).event

    assert ended.state == op.STRIPE_EVENT_STATE_DISMISSED
    assert ended.reason == f"dismissed by orders: {REASON}"
    assert await listed(market, SET_ASIDE) == []
    assert await listed(market, op.ListStripeEventsRequest()) == []
    assert await listed(market, DISMISSED) == [event["id"]]
    async with market.refuses("WRONG_STATE"):
        await market.operator.operators.DismissStripeEvent(dismissal(event))
    await mend(market, event, amount=10_500, amount_received=10_500)
    await market.operator.operators.RetryStripeEvent(retry(event))
    await market.work()
    assert await held(market, escrow) == 10_000


async def test_an_event_told_again_stays_dismissed(market: Marketplace) -> None:
    _, event = await event_set_aside(market)
    await market.operator.operators.DismissStripeEvent(dismissal(event))

    assert await market.tell(event) == event_pb.INGEST_OUTCOME_DUPLICATE
    await market.work()

    assert (await read_event(market, event)).state == op.STRIPE_EVENT_STATE_DISMISSED


async def test_a_parked_event_is_tried_now(market: Marketplace) -> None:
    escrow, event = await paid_at_stripe(market)
    unknown = forged(event, metadata={"payment": f"pay_{'0' * 32}"}, id="pi_unknown")
    state, _ = await verdict(market, unknown)
    assert state == "PARKED"
    await market.owner.execute("UPDATE stripe_events SET due_at = now() + interval '1 hour'")
    await mend(market, unknown, **event["data"]["object"])

    await market.operator.operators.RetryStripeEvent(retry(unknown))
    await market.work()

    assert await held(market, escrow) == 10_000


async def test_what_was_applied_is_neither_retried_nor_dismissed(market: Marketplace) -> None:
    _, event = await paid_at_stripe(market)
    assert (await verdict(market, event))[0] == "PROCESSED"

    async with market.refuses("WRONG_STATE") as refusal:
        await market.operator.operators.RetryStripeEvent(retry(event))
    assert refusal.metadata["state"] == "PROCESSED"
    async with market.refuses("WRONG_STATE"):
        await market.operator.operators.DismissStripeEvent(dismissal(event))


async def test_what_came_to_the_wrong_endpoint_is_never_applied(market: Marketplace) -> None:
    escrow, event = await paid_at_stripe(market)
    await verdict(market, event, event_pb.STRIPE_ENDPOINT_CONNECT)

    async with market.refuses("EVENT_QUARANTINED") as refusal:
        await market.operator.operators.RetryStripeEvent(retry(event))

    assert "came to the endpoint CONNECT" in refusal.message
    await market.operator.operators.DismissStripeEvent(dismissal(event))
    assert await held(market, escrow) == 0


async def test_an_event_that_names_no_escrow_of_ours_is_kept_without_one(
    market: Marketplace,
) -> None:
    _, event = await paid_at_stripe(market)
    nobody = forged(event, metadata={"escrow": f"esc_{'0' * 32}"})
    await verdict(market, nobody, event_pb.STRIPE_ENDPOINT_CONNECT)

    await market.operator.operators.DismissStripeEvent(dismissal(nobody))

    kept = "SELECT escrow_id, party, note FROM operations WHERE kind = 'dismiss_stripe_event'"
    row = await market.owner.fetchrow(kept)
    assert row is not None
    assert tuple(row) == (None, "operator", f"{nobody['id']}: {REASON}")


async def test_the_oldest_come_first_page_by_page(market: Marketplace) -> None:
    _, event = await paid_at_stripe(market)
    told = [forged(event) for _ in range(5)]
    for each in told:
        await market.tell(each, event_pb.STRIPE_ENDPOINT_CONNECT)
    seen: list[str] = []
    request = op.ListStripeEventsRequest(page_size=2)
    while True:
        page = await market.operator.operators.ListStripeEvents(request)
        seen += [each.id for each in page.events]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert seen == [each["id"] for each in told]


async def test_a_token_of_another_list_is_refused(market: Marketplace) -> None:
    for token in ("%%%", "AAAA"):
        async with market.refuses("INVALID_FIELD"):
            await market.operator.operators.ListStripeEvents(
                op.ListStripeEventsRequest(page_token=token)
            )
        async with market.refuses("INVALID_FIELD"):
            await market.operator.operators.ListEffects(op.ListEffectsRequest(page_token=token))


async def test_a_hundred_at_once_while_the_worker_applies_it(market: Marketplace) -> None:
    escrow, event = await event_set_aside(market)
    await mend(market, event, amount=10_500, amount_received=10_500)

    async def ask(number: int) -> str:
        try:
            if number % 2:
                await market.operator.operators.RetryStripeEvent(retry(event))
            else:
                await market.operator.operators.DismissStripeEvent(dismissal(event))
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)
        return "OK"

    async def work() -> str:
        await market.work()
        return "worked"

    answers = await asyncio.gather(*(ask(n) for n in range(100)), work(), work())

    assert set(answers) <= {"OK", "FAILED_PRECONDITION", "ABORTED", "worked"}
    assert "OK" in answers
    await market.work()
    state = (await read_event(market, event)).state
    assert state in (op.STRIPE_EVENT_STATE_PROCESSED, op.STRIPE_EVENT_STATE_DISMISSED)
    funded = [kind for kind, _ in await market.books()].count("payment_succeeded")
    assert funded == (1 if state == op.STRIPE_EVENT_STATE_PROCESSED else 0)
    assert await held(market, escrow) == 10_000 * funded
