"""An effect is sent under its key, looked up when nobody knows, and never done twice.

What is lost on the wire and which process dies is played in tests/scenarios; here are the workers
that sleep, and the objects that others have touched at Stripe.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from escrow.v1 import party_service_pb2 as party_pb
from service.effects.perform import LEASE, perform_effect
from tests.service.operations.later import KEY_LIFETIME, PAUSE, Later
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.transfers import (
    TRANSFERS,
    accepted,
    annotate,
    lose_answer,
)

EFFECT = """
SELECT state, generation, stripe_object, error->>'code' AS code FROM effects
WHERE kind = 'create_transfer'"""
Loses = Callable[[Later], Awaitable[None]]


async def effect_of(market: Marketplace) -> dict[str, Any]:
    row = await market.owner.fetchrow(EFFECT)
    assert row is not None
    return dict(row)


async def restrict(market: Marketplace, payee: party_pb.Payee, *, lifted: bool = False) -> None:
    """Stripe takes no transfers to the payee, or takes them again; it tells nobody."""
    path = f"accounts/{payee.stripe_account}/restrict"
    await market.sandbox.control(path, lifted=lifted, silently=True)


async def sendings(market: Marketplace) -> list[bool]:
    """The transfers that Stripe was asked for, oldest first: was it a replay?"""
    log = (await market.sandbox.control("requests", verb="GET"))["data"]
    asked = [told for told in log if (told["method"], told["path"]) == ("POST", TRANSFERS)]
    return [told["replayed"] for told in reversed(asked)]


async def lose_the_first(later: Later) -> None:
    await lose_answer(later.market)
    await later.effects.run_once()


async def lose_the_second_generation(later: Later) -> None:
    """The first one was refused for good; the answer to the second is lost."""
    account = await later.market.owner.fetchval("SELECT stripe_account FROM payees")
    payee = party_pb.Payee(stripe_account=account)
    await restrict(later.market, payee)
    await later.effects.run_once()
    await restrict(later.market, payee, lifted=True)
    await lose_answer(later.market)
    await later.ask_again()


@pytest.mark.parametrize("passed", [PAUSE, KEY_LIFETIME], ids=["soon", "when the key is forgotten"])
@pytest.mark.parametrize("lose", [lose_the_first, lose_the_second_generation])
async def test_a_transfer_that_others_have_annotated_is_found_and_not_made_again(
    market: Marketplace, lose: Loses, passed: timedelta
) -> None:
    await accepted(market)
    later = Later(market)
    await lose(later)
    assert (await effect_of(market))["state"] == "UNKNOWN"
    (made,) = await market.sandbox.objects(TRANSFERS)
    await annotate(market, made, erp_booking="4711")

    await later.pass_by(passed)
    await later.effects.run_once()
    await later.ask_again()

    effect = await effect_of(market)
    assert (effect["state"], effect["stripe_object"]) == ("SUCCEEDED", made["id"])
    assert [transfer["id"] for transfer in await market.sandbox.objects(TRANSFERS)] == [made["id"]]
    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("transfer_confirmed") == 1


async def test_while_stripe_cannot_say_what_there_is_a_young_key_is_sent_again(
    market: Marketplace,
) -> None:
    await accepted(market)
    later = Later(market)
    await lose_the_first(later)
    await market.sandbox.fail_next(TRANSFERS, method="GET", status=500)

    sent = await sendings(market)

    await later.pass_by(PAUSE)
    await later.effects.run_once()

    assert (await effect_of(market))["state"] == "SUCCEEDED"
    assert await sendings(market) == [*sent, True]  # the same key, answered from memory
    assert len(await market.sandbox.objects(TRANSFERS)) == 1


async def test_while_stripe_cannot_say_what_there_is_a_forgotten_key_is_not_sent(
    market: Marketplace,
) -> None:
    await accepted(market)
    later = Later(market)
    await lose_the_first(later)
    await market.sandbox.fail_next(TRANSFERS, method="GET", status=500)

    await later.pass_by(KEY_LIFETIME)
    await later.effects.run_once()

    assert (await effect_of(market))["state"] == "UNKNOWN"
    await later.pass_by(PAUSE)
    await later.effects.run_once()
    assert (await effect_of(market))["state"] == "SUCCEEDED"
    assert len(await market.sandbox.objects(TRANSFERS)) == 1


async def test_a_refusal_that_was_slept_over_does_not_settle_a_later_generation(
    market: Marketplace,
) -> None:
    """A worker leases an effect, and its machine stands still until others have gone on."""
    payee = await accepted(market)
    later = Later(market)
    await restrict(market, payee)
    slept = await later.lease()
    await later.pass_by(LEASE)
    await later.effects.run_once()
    assert (await effect_of(market))["state"] == "REJECTED"
    await restrict(market, payee, lifted=True)
    await lose_answer(market)
    await later.ask_again()
    before = await effect_of(market)
    assert (before["state"], before["generation"]) == ("UNKNOWN", 2)

    # Its own clock stood still as well: nothing tells it that the lease is over.
    await restrict(market, payee)
    await perform_effect(market.running.runtime, slept)

    assert await effect_of(market) == before
    await later.ask_again()
    assert (await effect_of(market))["state"] == "SUCCEEDED"
    assert len(await market.sandbox.objects(TRANSFERS)) == 1
    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("transfer_refused") == 1


async def test_a_success_counts_whoever_brings_it(market: Marketplace) -> None:
    """What Stripe has made is made, though its lease has passed to somebody else since."""
    await accepted(market)
    later = Later(market)
    slept = await later.lease()
    await later.pass_by(LEASE)
    await later.lease()  # somebody else has it now, and has not sent it yet

    await perform_effect(market.running.runtime, slept)

    (made,) = await market.sandbox.objects(TRANSFERS)
    effect = await effect_of(market)
    assert (effect["state"], effect["stripe_object"]) == ("SUCCEEDED", made["id"])


async def test_what_a_sleeper_sends_after_it_was_given_up_is_found_by_the_next_generation(
    market: Marketplace,
) -> None:
    """It was leased and never sent; a day later it has never happened, and is asked for again."""
    await accepted(market)
    later = Later(market)
    slept = await later.lease()
    await later.pass_by(KEY_LIFETIME)
    await later.effects.run_once()
    assert (await effect_of(market))["code"] == "never_executed"
    await later.pass_by(PAUSE)
    await later.transfers.run_once()

    await perform_effect(market.running.runtime, slept)
    await later.effects.run_once()

    (made,) = await market.sandbox.objects(TRANSFERS)
    effect = await effect_of(market)
    assert (effect["state"], effect["generation"]) == ("SUCCEEDED", 2)
    assert effect["stripe_object"] == made["id"]


async def test_nothing_is_sent_when_the_lease_is_nearly_over(market: Marketplace) -> None:
    """The answer might come when somebody else has begun already."""
    await accepted(market)
    later = Later(market)
    leased = await later.lease()
    await later.pass_by(LEASE * 0.9)

    await perform_effect(later.runtime, leased)

    assert await sendings(market) == []
    effect = await effect_of(market)
    assert (effect["state"], effect["code"]) == ("PLANNED", "the lease is nearly over")
    await later.effects.run_once()
    assert (await effect_of(market))["state"] == "SUCCEEDED"
