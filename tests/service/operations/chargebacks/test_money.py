"""What a dispute takes, charges and gives back is booked once, by whoever hears of it first."""

from datetime import timedelta

import pytest

from service.migrations import MIGRATIONS
from service.movements.book import give_up
from service.movements.movement import Movement
from service.stripe.objects.balance_transaction import parse_balance_transaction
from tests.service.movements.strangers import Json, assert_same_as_stripe, charge_of, dispute
from tests.service.operations.chargebacks.disputes import chargebacks
from tests.service.operations.marketplace import CARD, TENANT, Marketplace

TAKE_OVER = (MIGRATIONS / "0031_disputes_unexplained.sql").read_text().split("-- migrate:down")[0]
STEPS = ("win", "overturn", "win")


async def lines(market: Marketplace) -> list[tuple[str, dict[str, int]]]:
    """What was booked of disputes, in the order of Stripe: kinds, and amounts by their accounts."""
    found = await market.owner.fetch("""
        SELECT j.kind, regexp_replace(e.account, '(cbk|txn)_.*', '*') AS account,
            sum(e.amount_minor)::bigint AS amount_minor
        FROM journals AS j JOIN entries AS e USING (tenant_id, journal_id)
        WHERE j.kind LIKE 'chargeback%' OR j.kind LIKE '%unexplained'
        GROUP BY j.journal_id, j.event_at, j.kind, 2 ORDER BY j.event_at, j.journal_id""")
    booked: dict[str, dict[str, int]] = {}
    for row in found:
        booked.setdefault(row["kind"], {})
        known = booked[row["kind"]]
        known[row["account"]] = known.get(row["account"], 0) + row["amount_minor"]
    return sorted(booked.items())


async def moved_by(market: Marketplace, made: Json) -> list[Json]:
    """The balance transactions of a dispute, as Stripe shows them."""
    shown = next(d for d in await market.sandbox.objects("/v1/disputes") if d["id"] == made["id"])
    return list(shown["balance_transactions"])


@pytest.mark.parametrize("first", ["events", "sweep"])
async def test_each_movement_is_booked_once_by_its_balance_transaction(
    market: Marketplace, first: str
) -> None:
    """Withdrawn with the fee, won, taken back, won again: two withdrawals and two returns."""
    escrow = await market.funded_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    for step in ("", *STEPS):
        if step:
            await market.sandbox.control(f"disputes/{made['id']}/{step}")
        await (market.settle() if first == "events" else market.sweep())
        await (market.sweep() if first == "events" else market.settle())

    moved = await moved_by(market, made)
    taken_minor = sum(-each["amount"] for each in moved if each["amount"] < 0)
    given_minor = sum(each["amount"] for each in moved if each["amount"] > 0)
    fee_minor = sum(each["fee"] for each in moved)
    assert (taken_minor, given_minor, fee_minor > 0) == (21_000, 21_000, True)
    assert await lines(market) == [
        ("chargeback_reinstated", {"asset:stripe": 21_000, "asset:dispute:*": -21_000}),
        (
            "chargeback_withdrawn",
            {
                "asset:dispute:*": 21_000,
                "exp:dispute_fee": fee_minor,
                "asset:stripe": -21_000 - fee_minor,
            },
        ),
    ]
    assert len(await market.owner.fetch("SELECT FROM journals WHERE kind LIKE 'charge%'")) == 5
    (found,) = await chargebacks(market)
    assert await market.balance(f"asset:dispute:{found.id}") == 0
    await assert_same_as_stripe(market)


async def test_what_was_unexplained_before_this_release_is_taken_over(
    market: Marketplace,
) -> None:
    """By the sweep alone: a dispute of then need not have an event any more."""
    escrow = await market.funded_escrow()
    made = await dispute(market, await charge_of(market, escrow))
    await market.sandbox.control(f"disputes/{made['id']}/win")
    for each in await moved_by(market, made):
        shown = parse_balance_transaction(each)
        movement = Movement(TENANT, "", shown, None, timedelta())
        await give_up(market.running.runtime, movement, "as it was booked before")
    assert {kind for kind, _ in await lines(market)} == {
        "brought_unexplained",
        "taken_unexplained",
    }

    await market.owner.execute(TAKE_OVER)
    for _ in range(2):  # the second finds nothing to do
        await market.sweep()

    (taken, given), fee_minor = await moved_by(market, made), 0
    fee_minor = taken["fee"] + given["fee"]
    booked = dict(await lines(market))
    assert booked["chargeback_withdrawn_explained"] == {
        "asset:dispute:*": 10_500,
        "exp:dispute_fee": fee_minor,
        "asset:unexplained:*": -10_500 - fee_minor,
    }
    assert booked["chargeback_reinstated_explained"] == {
        "liab:unexplained:*": 10_500,
        "asset:dispute:*": -10_500,
    }
    assert not await market.owner.fetch(
        "SELECT FROM balances WHERE account LIKE '%:unexplained:%' AND balance_minor <> 0"
    )
    assert not await market.owner.fetch(
        "SELECT FROM undecided_transactions WHERE decided_at IS NULL"
    )
    assert [each.state for each in await chargebacks(market)] == [7]
    await assert_same_as_stripe(market)


async def test_a_dispute_of_a_charge_that_only_claims_to_be_ours_is_nobodys_money(
    market: Marketplace,
) -> None:
    escrow = await market.funded_escrow()
    ours = await charge_of(market, escrow)
    intent = await market.sandbox.stripe(
        "/v1/payment_intents",
        amount="7700",
        currency="usd",
        confirm="true",
        payment_method=CARD,
        return_url="https://other.example",
        **{"metadata[payment]": ours["metadata"]["payment"], "payment_method_types[0]": "card"},
    )
    await market.sandbox.advance()
    charge = {"id": intent["latest_charge"]}
    made = await dispute(market, charge)
    await market.sandbox.control(f"disputes/{made['id']}/lose")

    await market.sweep()
    await market.settle()

    assert await chargebacks(market) == []  # there is nothing to settle, or to answer
    assert "taken_unexplained" in dict(await lines(market))
    assert not [kind for kind, _ in await lines(market) if kind.startswith("chargeback")]
    assert (await market.read(escrow)).milestones[0].frozen.amount_minor > 0
    await assert_same_as_stripe(market)
