"""Every value of a real event, replaced by everything that it should never be.

Whatever Stripe may send one day: nothing is booked that is not true, no event is left to be tried
for ever, and none is in the way of those that make sense.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import Event, Marketplace, usd

NONSENSE: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**40,
    1.5,
    "",
    "\x00\ud800",
    [],
    ["x"],
    {},
    {"id": 7},
)
KEPT = frozenset({"id", "type", "created", "livemode", "api_version", "account"})
"""What the event itself says is refused at the door; see inbox/test_ingest_stripe_event.py."""

Path = tuple[str | int, ...]


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """The way to every value, containers too."""
    if path:
        yield path
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, inner in items:
        yield from paths(inner, (*path, key))


def replaced(event: Event, path: Path, nonsense: object) -> Event:
    other = copy.deepcopy(event)
    holder: Any = other
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = nonsense
    other["id"] = f"evt_{new_request_id()}"
    return other


async def a_payment_is_made(market: Marketplace) -> None:
    await market.pay(await market.fund(await market.new_escrow()))


async def a_card_is_declined(market: Marketplace) -> None:
    payment = await market.fund(await market.new_escrow())
    await market.pay(payment, "pm_card_chargeDeclinedInsufficientFunds")


async def a_page_is_paid(market: Marketplace) -> None:
    await market.fund(await market.new_escrow(), method=pb.PAYMENT_METHOD_CHECKOUT)
    (session,) = await market.sandbox.objects("/v1/checkout/sessions")
    path = f"checkout/sessions/{session['id']}/pay"
    await market.sandbox.control(path, payment_method="pm_card_visa")


async def a_transfer_is_made(market: Marketplace) -> None:
    escrow = await market.delivered_escrow(payee=await market.new_payee())
    await market.accept(escrow)
    await market.effects.run_once()


async def a_payout_is_made(market: Marketplace) -> None:
    payee = await market.paid_payee()
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(3_000)
    )
    await market.payee.parties.RequestPayout(request)
    await market.effects.run_once()


async def an_account_is_made(market: Marketplace) -> None:
    payee = await market.new_payee(active=False, account_api=party_pb.ACCOUNT_API_V1)
    await market.sandbox.control(f"accounts/{payee.stripe_account}/onboard")


HAPPENS = {
    "payment_intent.succeeded": a_payment_is_made,
    "payment_intent.payment_failed": a_card_is_declined,
    "checkout.session.completed": a_page_is_paid,
    "transfer.created": a_transfer_is_made,
    "payout.created": a_payout_is_made,
    "account.updated": an_account_is_made,
}


@pytest.mark.parametrize("type_", HAPPENS)
async def test_nonsense_in_a_real_event(market: Marketplace, type_: str) -> None:
    await HAPPENS[type_](market)
    real = next(event for event in await market.news() if event["type"] == type_)
    told = 0
    for number, path in enumerate(paths(real)):
        if path[0] in KEPT:
            continue
        # Each value meets every third kind of nonsense, beginning with another one each time.
        for nonsense in (*NONSENSE, *NONSENSE)[number % 11 :: 4][:3]:
            await market.tell(replaced(real, path, nonsense))
            told += 1
    assert told > 50
    while await market.inbox.run_once():
        pass

    odd = await market.owner.fetch(
        "SELECT state, reason FROM stripe_events WHERE type = $1"
        " AND (state NOT IN ('PROCESSED', 'PARKED', 'SUSPENSE', 'IGNORED')"
        " OR reason ~ '^[A-Za-z]+(Error|Exception)')",
        type_,
    )
    assert [tuple(row) for row in odd] == []
    await market.settle()
    applied = "SELECT state FROM stripe_events WHERE event_id = $1"
    assert await market.owner.fetchval(applied, real["id"]) == "PROCESSED"
    booked = [(kind, tuple(entries)) for kind, entries in await market.books()]
    assert len(set(booked)) == len(booked)
