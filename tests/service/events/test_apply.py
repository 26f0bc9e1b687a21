"""What an event tells becomes what the books know, once, and only if it makes sense.

The orders and duplicates of a payment's events are played in tests/scenarios; here is what an
event meets on its own: an object that is not known yet, a contradiction, poison.
"""

import copy
from typing import Any

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import Event, Marketplace, usd

RETRY = "UPDATE stripe_events SET due_at = now() - interval '1 s' WHERE state = 'PARKED'"


async def state_of(market: Marketplace, told: Event) -> tuple[str, str]:
    query = "SELECT state, reason FROM stripe_events WHERE event_id = $1"
    row = await market.owner.fetchrow(query, told["id"])
    assert row is not None
    return row["state"], row["reason"]


async def paid(market: Marketplace) -> tuple[pb.Escrow, Event]:
    """A payment that succeeded at Stripe, and the event that would tell it."""
    escrow = await market.new_escrow()
    payment = await market.fund(escrow)
    await market.pay(payment)
    (succeeded,) = [e for e in await market.news() if e["type"] == "payment_intent.succeeded"]
    return escrow, succeeded


def altered(told: Event, **changes: Any) -> Event:  # noqa: ANN401  any JSON
    """The same event under another id, its object changed."""
    other = copy.deepcopy(told)
    other["id"] = f"evt_{new_request_id()}"
    other["data"]["object"] |= changes
    return other


async def test_one_event_funds_the_milestone_and_says_so(market: Marketplace) -> None:
    escrow, succeeded = await paid(market)

    await market.tell(succeeded)
    assert (await market.read(escrow)).milestones[0].held == usd(0)  # stored, and not applied
    await market.inbox.run_once()

    assert (await market.read(escrow)).milestones[0].held == usd(10_000)
    assert await state_of(market, succeeded) == ("PROCESSED", "")
    entry = (await market.timeline(escrow))[-1]
    assert (entry.operation, entry.actor, entry.cause, entry.note) == (
        "apply_stripe_event",
        "stripe",
        succeeded["id"],
        "payment_intent.succeeded",
    )


async def test_a_twin_of_the_fact_changes_nothing(market: Marketplace) -> None:
    _, succeeded = await paid(market)
    await market.tell(succeeded)
    await market.inbox.run_once()
    books = await market.books()

    twin = altered(succeeded)
    await market.tell(twin)
    await market.inbox.run_once()

    assert await state_of(market, twin) == ("PROCESSED", "")
    assert await market.books() == books


async def test_an_event_that_comes_before_its_payment_is_known_waits_for_it(
    market: Marketplace,
) -> None:
    escrow, succeeded = await paid(market)
    hide = "UPDATE payments SET payment_id = $2 WHERE payment_id = $1"
    payment_id = await market.owner.fetchval("SELECT payment_id FROM payments")
    elsewhere = "00000000-0000-7000-8000-000000000000"
    await market.owner.execute(hide, payment_id, elsewhere)

    await market.tell(succeeded)
    await market.inbox.run_once()
    assert await state_of(market, succeeded) == ("PARKED", "no payment of ours")
    assert await market.inbox.run_once() == 0  # it has to wait

    await market.owner.execute(hide, elsewhere, payment_id)
    await market.owner.execute(RETRY)
    await market.inbox.run_once()
    assert (await state_of(market, succeeded))[0] == "PROCESSED"
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "another amount": {"amount_received": 10_499},
    "another currency": {"currency": "eur"},
    "another intent": {"id": "pi_of_somebody_else"},
    "no charge": {"latest_charge": None},
    "an amount that is text": {"amount_received": "10500"},
    "an amount that is a fraction": {"amount_received": 10_500.0},
    "an amount that is true": {"amount_received": True},
    "an amount that is huge": {"amount_received": 10**40},
    "a negative amount": {"amount_received": -10_500},
    "a state that nobody knows": {"status": "levitating"},
    "a state that is a list": {"status": ["succeeded"]},
    "no id": {"id": None},
    "an id with a NUL": {"id": "pi_\x00"},
    "an id with half a character": {"id": "pi_\ud800"},
    "a currency with a NUL": {"currency": "usd\x00"},
    "a charge that is an empty object": {"latest_charge": {}},
    "a charge with a NUL": {"latest_charge": "ch_\x00"},
    "a failure that is a list": {"last_payment_error": ["card_declined"]},
    "metadata that is text": {"metadata": "ours", "id": "pi_of_somebody_else"},
    "metadata of nowhere": {"metadata": {"payment": "pay_\ud800"}, "id": "pi_of_somebody_else"},
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
async def test_poison_is_set_aside_with_its_reason_and_blocks_nobody(
    market: Marketplace, name: str
) -> None:
    escrow, succeeded = await paid(market)
    poison = altered(succeeded, **CONTRADICTIONS[name])
    await market.tell(poison)
    await market.tell(succeeded)

    assert await market.inbox.run_once() == 2

    state, reason = await state_of(market, poison)
    assert (state, reason) == ("IGNORED", "not ours: no payment") or (
        state == "SUSPENSE" and reason.startswith(("Contradiction: ", "Unreadable: "))
    )
    assert (await state_of(market, succeeded))[0] == "PROCESSED"
    assert (await market.read(escrow)).milestones[0].held == usd(10_000)
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded"]


async def test_a_payment_of_another_amount_is_never_booked(market: Marketplace) -> None:
    escrow, succeeded = await paid(market)
    wrong = altered(succeeded, amount_received=999)

    await market.tell(wrong)
    await market.inbox.run_once()

    state, reason = await state_of(market, wrong)
    assert state == "SUSPENSE"
    assert reason == "Contradiction: the event tells 999, and Stripe's API 10500"
    assert await market.books() == []
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_AWAITING_FUNDS


async def test_what_is_not_ours_is_shown_and_touches_nothing(market: Marketplace) -> None:
    """A transfer, payout or charge that somebody made by hand in Stripe's dashboard."""
    _, succeeded = await paid(market)
    tables = await market.contents()
    strangers = [
        altered(succeeded, id=f"{kind[:2]}_stranger", object=kind, metadata={}, payment_intent=None)
        | {"type": type_, **({"account": "acct_stranger"} if kind == "payout" else {})}
        for kind, type_ in (
            ("transfer", "transfer.created"),
            ("payout", "payout.paid"),
            ("charge", "charge.updated"),
            ("account", "v2.core.account.updated"),
            ("checkout.session", "checkout.session.expired"),
        )
    ]

    for stranger in strangers:
        await market.tell(stranger)
    await market.inbox.run_once()

    for stranger in strangers:
        state, reason = await state_of(market, stranger)
        assert (state, reason[:10]) == ("IGNORED", "not ours: "), stranger["type"]
    assert await market.books() == []
    written = {"stripe_events", "operations"}  # an event that is ignored leaves its operation
    assert {n: t for n, t in (await market.contents()).items() if n not in written} == {
        n: t for n, t in tables.items() if n not in written
    }


async def test_money_for_what_nobody_waits_for_goes_to_suspense(market: Marketplace) -> None:
    """The escrow was canceled by hand while its payer was paying."""
    escrow, succeeded = await paid(market)
    await market.owner.execute("UPDATE milestones SET state = 'CANCELED'")
    await market.owner.execute("DELETE FROM deadlines")
    await market.owner.execute("UPDATE escrows SET state = 'CANCELED'")

    await market.tell(succeeded)
    await market.inbox.run_once()

    payment = pb.Payment(id=succeeded["data"]["object"]["metadata"]["payment"])
    assert await market.books(payment) == [
        (
            "payment_unexpected",
            {"asset:stripe_unsettled": 10_500, "liab:suspense:payment": -10_500},
        )
    ]
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_CANCELED


async def test_stripe_is_away_while_an_event_asks_for_more(market: Marketplace) -> None:
    await paid(market)
    await market.sandbox.advance()
    (updated,) = [e for e in await market.news() if e["type"] == "charge.updated"]
    await market.sandbox.control(
        "faults", kind="status", method="GET", path_prefix="/v1/payment_intents", times=1
    )

    await market.tell(updated)
    await market.inbox.run_once()
    assert await state_of(market, updated) == ("PARKED", "STRIPE_UNAVAILABLE")

    await market.owner.execute(RETRY)
    await market.inbox.run_once()
    assert (await state_of(market, updated))[0] == "PROCESSED"
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]


async def test_an_event_that_another_worker_has_ended_stays_ended(market: Marketplace) -> None:
    _, succeeded = await paid(market)
    unheard = altered(succeeded) | {"type": "product.created"}
    await market.tell(unheard)

    (event,) = await market.inbox.take(1)
    for _ in range(2):  # the lease of the first worker ran out while it was at it
        await market.inbox.do(event)

    assert await state_of(market, unheard) == ("IGNORED", "not a type that is acted on")
