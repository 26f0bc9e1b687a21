"""Whatever the order in which Stripe tells about a payment, and however often: the same ledger."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from escrow.v1 import escrow_service_pb2 as pb
from tests.depth import deeper
from tests.postgres import Server
from tests.scenarios.books import FUNDED, SETTLED, Expected, books
from tests.scenarios.inbox_bench import Funding, InboxBench, open_bench
from tests.scenarios.sandbox_client import Json

CHECKOUT, INTENT = pb.PAYMENT_METHOD_CHECKOUT, pb.PAYMENT_METHOD_PAYMENT_INTENT
PAID = ("SUCCEEDED", None, 335, "FUNDED", 10_000)
PAID_BOOKS = (FUNDED, SETTLED)

Play = Callable[[InboxBench, Funding], Awaitable[None]]


async def pays(bench: InboxBench, funding: Funding, card: str = "pm_card_visa") -> None:
    await bench.sandbox.control(
        "POST", f"payment_intents/{funding.intent}/pay", payment_method=card
    )


async def pays_with_3d_secure(bench: InboxBench, funding: Funding) -> None:
    await pays(bench, funding, "pm_card_authenticationRequired")
    await bench.sandbox.control(
        "POST", f"payment_intents/{funding.intent}/authenticate", succeeds=True
    )


async def pays_after_a_decline(bench: InboxBench, funding: Funding) -> None:
    await pays(bench, funding, "pm_card_visa_chargeDeclined")
    await pays(bench, funding)


async def pays_on_the_page(bench: InboxBench, funding: Funding) -> None:
    session = funding.payment.checkout_url.rpartition("/")[2]
    await bench.sandbox.control("POST", f"checkout/sessions/{session}/pay")


async def pays_and_is_captured(bench: InboxBench, funding: Funding) -> None:
    await pays(bench, funding)
    await bench.sandbox.stripe("POST", f"/v1/payment_intents/{funding.intent}/capture")


async def gives_up_in_3d_secure(bench: InboxBench, funding: Funding) -> None:
    await pays(bench, funding, "pm_card_authenticationRequired")
    await bench.sandbox.stripe("POST", f"/v1/payment_intents/{funding.intent}/cancel")


@dataclass(frozen=True)
class Story:
    """What a customer does, the events it causes, and what must be known when all are told."""

    play: Play
    events: tuple[str, ...]
    """In the order of their happening; the permutations are of these."""
    method: pb.PaymentMethod.ValueType = INTENT
    by_hand: bool = False
    known: tuple[object, ...] = PAID
    books: tuple[Expected, ...] = PAID_BOOKS

    def select(self, events: Sequence[Json]) -> list[Json]:
        """These events; any other that Stripe has sent is of no interest."""
        by_type = {event["type"]: event for event in events}
        return [by_type[name] for name in self.events]


STORIES = {
    "card": Story(
        pays,
        (
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.updated",
        ),
    ),
    "three_d_secure": Story(
        pays_with_3d_secure,
        (
            "payment_intent.created",
            "payment_intent.requires_action",
            "charge.succeeded",
            "payment_intent.succeeded",
            "charge.updated",
        ),
    ),
    "declined_first": Story(
        pays_after_a_decline,
        (
            "payment_intent.created",
            "payment_intent.payment_failed",
            "payment_intent.succeeded",
            "charge.updated",
        ),
    ),
    "checkout": Story(
        pays_on_the_page,
        (
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.succeeded",
            "checkout.session.completed",
            "charge.updated",
        ),
        method=CHECKOUT,
    ),
    "captured_by_hand": Story(
        pays_and_is_captured,
        (
            "payment_intent.created",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded",
        ),
        by_hand=True,
    ),
    "given_up": Story(
        gives_up_in_3d_secure,
        (
            "payment_intent.created",
            "payment_intent.requires_action",
            "payment_intent.canceled",
        ),
        known=("CANCELED", None, None, "AWAITING_FUNDS", 0),
        books=(),
    ),
}


@pytest.fixture(scope="module")
async def bench(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[InboxBench]:
    folder = tmp_path_factory.mktemp("bench")
    async with open_bench(postgres_server, template_database, folder) as bench:
        yield bench


async def start(bench: InboxBench, story: Story) -> Funding:
    async with bench.turns:
        funding = await bench.fund(story.method, by_hand=story.by_hand)
        await story.play(bench, funding)
        return funding


async def check(bench: InboxBench, story: Story, funding: Funding) -> None:
    assert await bench.known(funding) == story.known
    assert await bench.journals(funding) == books(*story.books)


def twin(event: Json) -> Json:
    """A second Event object of the same fact."""
    return event | {"id": f"evt_{uuid4().hex}"}


def told_twice(order: list[Json], *, by_twins: bool) -> list[Json]:
    """All of them, and all once more, the last one first: as they were, or as twins."""
    again = reversed(order)
    return [*order, *(map(twin, again) if by_twins else again)]


@pytest.mark.parametrize("name", STORIES)
async def test_every_permutation_reaches_the_same_ledger(bench: InboxBench, name: str) -> None:
    story = STORIES[name]
    permutations = list(itertools.permutations(range(len(story.events))))
    fundings = await asyncio.gather(*(start(bench, story) for _ in permutations))
    await bench.sandbox.advance(2)
    happened = [story.select(told) for told in await bench.events_of(fundings)]
    orders = [
        told_twice([events[index] for index in order], by_twins=number % 2 == 1)
        for number, (events, order) in enumerate(zip(happened, permutations, strict=True))
    ]
    await bench.tell(orders)
    for funding in fundings:
        await check(bench, story, funding)


PLACES = st.permutations(range(10))
REPETITIONS = st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 9)), max_size=6)


@settings(max_examples=deeper(20, 200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(STORIES)),
    places=st.permutations(range(10)),
    repetitions=st.lists(
        st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 9)), max_size=6
    ),
)
async def test_any_order_with_any_repetition_reaches_the_same_ledger(
    bench: InboxBench, name: str, places: list[int], repetitions: list[tuple[int, bool, int]]
) -> None:
    story = STORIES[name]
    funding = await start(bench, story)
    await bench.sandbox.advance(2)
    (happened,) = await bench.events_of([funding])  # all of them, also those not acted on
    order = [happened[place] for place in places if place < len(happened)]
    for which, as_twin, place in repetitions:
        event = happened[which % len(happened)]
        order.insert(place, twin(event) if as_twin else event)
    await bench.tell([order])
    await check(bench, story, funding)
