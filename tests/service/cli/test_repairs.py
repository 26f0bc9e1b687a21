"""``escrow effects``, ``events`` and ``suspense``, as an operator and as a program read them."""

import json
import os
from collections.abc import AsyncIterator

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from service.local.identities import Identities
from tests.postgres import Database
from tests.service.cli.processes import OPERATOR, Run, escrow_at, served
from tests.service.operations.marketplace import API_KEY, Marketplace
from tests.service.operations.operators.stuck import (
    REASON,
    answer_lost,
    event_set_aside,
    long_ago,
    never_arrived,
    read_effect,
    read_event,
    shadowed,
    suspended,
)

WHY = ("--reason", REASON)


@pytest.fixture
async def escrow(
    market: Marketplace, database: Database, identities: Identities
) -> AsyncIterator[Run]:
    """With the certificate of the operators, as in production."""
    async with served(market, database, identities.of_service()) as target:
        yield escrow_at(
            market,
            database,
            STRIPE_SECRET_KEY=API_KEY,
            STRIPE_API_BASE=market.sandbox.url,
            ESCROW_SERVICE_TARGET=target,
            **identities.of_operator(),
        )


async def test_effects_that_need_a_person_are_listed_and_shown(
    market: Marketplace, escrow: Run
) -> None:
    assert (await escrow("effects", "list")).out == "no effects wait\n"
    effect, _, _ = await shadowed(market)

    listed = await escrow("effects", "list", "--json")
    told = json.loads((await escrow("effects", "show", effect.id, "--json")).out)
    shown = await escrow("effects", "show", effect.id)

    assert [each["id"] for each in json.loads(listed.out)["effects"]] == [effect.id]
    assert [attempt["outcome"] for attempt in told["attempts"]] == ["lost", "lost"]
    assert shown.status == 0, shown.err
    for line in ("kind: create_transfer", "state: UNKNOWN", "amount: 80.00 USD", "attempts: 2"):
        assert line in shown.out


async def test_a_list_of_a_tenant_that_was_never_served_says_so(
    market: Marketplace, escrow: Run
) -> None:
    await market.new_payer()

    mistyped = await escrow("effects", "list", "--tenant", "defualt")
    right = await escrow("effects", "list")

    assert (mistyped.status, mistyped.out) == (0, right.out)
    assert mistyped.err == "nothing is here of a tenant 'defualt'\n"
    assert right.err == ""


async def test_an_effect_is_retried_with_a_reason_by_who_is_logged_in(
    market: Marketplace, escrow: Run
) -> None:
    effect, _ = await answer_lost(market)

    assert (await escrow("effects", "retry", effect.id)).status == 2  # no reason
    said = await escrow("effects", "retry", effect.id, *WHY)
    await market.work()

    assert said.status == 0, said.err
    assert (await read_effect(market, effect)).state == op.EFFECT_STATE_SUCCEEDED
    last = next(
        entry
        for entry in await market.timeline(pb.Escrow(id=effect.escrow_id))
        if entry.operation == "retry_effect"
    )
    assert (last.actor, last.caller) == ("operator", f"operator for {OPERATOR}")
    shown = await escrow("show", effect.escrow_id)
    assert f"operator: operator for {OPERATOR}" in shown.out


async def test_who_does_not_say_who_they_are_changes_nothing(
    market: Marketplace, database: Database
) -> None:
    """The login counts where it is a person's, which root's is not."""
    effect, _ = await answer_lost(market)
    nameless = escrow_at(
        market,
        database,
        ESCROW_OPERATOR="",
        STRIPE_SECRET_KEY=API_KEY,
        STRIPE_API_BASE=market.sandbox.url,
    )

    if os.geteuid() == 0:
        async with market.unchanged():
            said = await nameless("effects", "retry", effect.id, *WHY)
        assert said.status == 2
        assert "say who you are" in said.err
    async with market.unchanged():
        said = await nameless("--as", "Jo, the operator", "effects", "retry", effect.id, *WHY)
    assert said.status == 2
    assert (await nameless("effects", "show", effect.id)).status == 0  # who only reads needs none
    assert (await nameless("--as", "sam", "effects", "retry", effect.id, *WHY)).status == 0
    timeline = await market.timeline(pb.Escrow(id=effect.escrow_id))
    assert [e.caller for e in timeline if e.operation == "retry_effect"] == ["cli for sam"]


async def test_a_rejection_is_tried_dry_first(market: Marketplace, escrow: Run) -> None:
    effect = await never_arrived(market)
    await long_ago(market)

    async with market.unchanged():
        dry = await escrow("effects", "reject", effect.id, *WHY, "--dry-run")
    assert (dry.status, dry.out.splitlines()[0]) == (
        0,
        "dry run: nothing is written; it would be",
    )
    assert "state: REJECTED" in dry.out
    assert (await escrow("effects", "reject", effect.id, *WHY)).status == 0
    assert (await read_effect(market, effect)).state == op.EFFECT_STATE_REJECTED


async def test_a_refusal_is_one_line_and_status_2(market: Marketplace, escrow: Run) -> None:
    effect, made = await answer_lost(market)
    await long_ago(market)

    said = await escrow("effects", "reject", effect.id, *WHY)

    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("escrow: Stripe shows what this call made")
    assert made["id"] in said.err
    wrong = await escrow("effects", "show", "eff_1")
    assert wrong.status == 2
    assert "effect_id" in wrong.err
    assert (await escrow("effects", "settle", effect.id, made["id"], *WHY)).status == 0


async def test_an_event_is_dismissed_and_retried(market: Marketplace, escrow: Run) -> None:
    _, event = await event_set_aside(market)
    listed = json.loads((await escrow("events", "list", "--json")).out)
    assert [each["id"] for each in listed["events"]] == [event["id"]]
    assert "Contradiction" in (await escrow("events", "show", event["id"])).out

    assert (await escrow("events", "dismiss", event["id"], *WHY)).status == 0
    assert (await escrow("events", "list")).out == "no events wait\n"
    assert event["id"] in (await escrow("events", "list", "--dismissed", "--json")).out
    assert (await escrow("events", "retry", event["id"], *WHY)).status == 0

    assert (await read_event(market, event)).state == op.STRIPE_EVENT_STATE_RECEIVED


async def test_suspense_is_listed_and_applied(market: Marketplace, escrow: Run) -> None:
    deal, payment = await suspended(market)
    listed = json.loads((await escrow("suspense", "list", "--json")).out)["suspense"]
    assert [each["payment_id"] for each in listed] == [payment.id]
    second = deal.milestones[1].id

    dry = await escrow("suspense", "apply", payment.id, second, *WHY, "--dry-run", "--json")
    assert json.loads(dry.out)["dry_run"] is True
    assert (await escrow("suspense", "apply", payment.id, second, *WHY)).status == 0

    assert (await market.read(deal)).milestones[1].held.amount_minor == 5_000
    assert (await escrow("verify")).status == 0
