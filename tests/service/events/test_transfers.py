"""What transfer.created meets when its effect is not waiting for it."""

import copy
from typing import Any

import pytest

from escrow.client import new_request_id
from tests.service.operations.later import KEY_LIFETIME, PAUSE, Later
from tests.service.operations.marketplace import Event, Marketplace
from tests.service.operations.transfers import (
    TRANSFERS,
    accepted,
    annotate,
    created,
    lose_answer,
)

RETRY = "UPDATE stripe_events SET due_at = now() - interval '1 s' WHERE state = 'PARKED'"


async def state_of(market: Marketplace, told: Event) -> tuple[str, str]:
    query = "SELECT state, reason FROM stripe_events WHERE event_id = $1"
    row = await market.owner.fetchrow(query, told["id"])
    assert row is not None
    return row["state"], row["reason"]


async def tell(market: Marketplace, told: Event) -> tuple[str, str]:
    await market.tell(told)
    await market.inbox.run_once()
    return await state_of(market, told)


def altered(told: Event, **changes: Any) -> Event:  # noqa: ANN401  any JSON
    """The same event under another id, its object changed."""
    other = copy.deepcopy(told)
    other["id"] = f"evt_{new_request_id()}"
    other["data"]["object"] |= changes
    return other


async def confirmed(market: Marketplace) -> int:
    return [kind for kind, _ in await market.books()].count("transfer_confirmed")


async def test_a_transfer_that_was_given_up_waits_until_it_is_found(market: Marketplace) -> None:
    """Somebody took our id out of its metadata for a day, and the look-up found nothing."""
    await accepted(market)
    later = Later(market)
    await lose_answer(market)
    await later.effects.run_once()
    told = await created(market)
    (made,) = await market.sandbox.objects(TRANSFERS)
    await annotate(market, made, effect="")
    await later.pass_by(KEY_LIFETIME)
    await later.effects.run_once()

    state, reason = await tell(market, told)
    assert state == "PARKED"
    assert "REJECTED" in reason
    await annotate(market, made, effect=made["metadata"]["effect"])
    await later.ask_again()  # under the next key, and the look-up before it finds what there is

    await market.owner.execute(RETRY)
    await market.inbox.run_once()
    assert await state_of(market, told) == ("PROCESSED", "")
    assert await confirmed(market) == 1
    assert len(await market.sandbox.objects(TRANSFERS)) == 1


@pytest.mark.parametrize(
    "changes",
    [{"amount": 8_001}, {"destination": "acct_of_somebody_else"}, {"currency": "eur"}],
    ids=str,
)
async def test_a_transfer_that_is_not_the_one_we_asked_for_is_shown_to_a_person(
    market: Marketplace, changes: dict[str, Any]
) -> None:
    await accepted(market)
    later = Later(market)
    await lose_answer(market)
    await later.effects.run_once()
    told = await created(market)

    state, reason = await tell(market, altered(told, **changes))
    assert state == "SUSPENSE"
    assert reason.startswith("Contradiction: ")
    assert await confirmed(market) == 0

    assert await tell(market, told) == ("PROCESSED", "")
    assert await confirmed(market) == 1


async def test_a_second_transfer_of_one_effect_is_shown_to_a_person(market: Marketplace) -> None:
    await accepted(market)
    await market.effects.run_once()
    told = await created(market)
    assert await tell(market, told) == ("PROCESSED", "")

    state, reason = await tell(market, altered(told, id="tr_of_a_second_payment"))

    assert state == "SUSPENSE"
    assert reason.startswith("Contradiction: ")
    assert "paid twice" in reason
    assert await confirmed(market) == 1


async def test_the_event_comes_instead_of_the_answer(market: Marketplace) -> None:
    await accepted(market)
    later = Later(market)
    await lose_answer(market)
    await later.effects.run_once()

    assert await tell(market, await created(market)) == ("PROCESSED", "")

    assert await confirmed(market) == 1
    await later.pass_by(PAUSE)
    assert await later.effects.run_once() == 0
    assert len(await market.sandbox.objects(TRANSFERS)) == 1
