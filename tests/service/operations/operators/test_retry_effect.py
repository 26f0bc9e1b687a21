"""An operator has a call to Stripe looked up now; nothing is sent twice by that."""

import asyncio

import grpc

from escrow.v1 import operator_service_pb2 as op
from service.domain import ids
from service.effects.perform import LEASE, perform_effect
from service.store.effects import lease_effect
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.operators.stuck import (
    REASON,
    answer_lost,
    never_arrived,
    open_effect,
    read_effect,
    retry,
    shadowed,
    transfer_under_way,
)
from tests.service.operations.transfers import TRANSFERS


async def test_a_lost_answer_is_looked_up_at_once(market: Marketplace) -> None:
    effect, made = await answer_lost(market)
    assert (effect.state, effect.waiting_for) == (
        op.EFFECT_STATE_UNKNOWN,
        "the next look-up at Stripe",
    )
    await market.owner.execute("UPDATE effects SET due_at = now() + interval '10 minutes'")
    assert await market.effects.run_once() == 0

    retried = (await market.operator.operators.RetryEffect(retry(effect))).effect
    await market.work()

    assert retried.state == op.EFFECT_STATE_UNKNOWN
    ended = await read_effect(market, effect)
    assert (ended.state, ended.stripe_object) == (op.EFFECT_STATE_SUCCEEDED, made["id"])
    assert (ended.waiting_for, ended.amount.amount_minor) == ("", 8_000)
    assert len(await market.sandbox.objects(TRANSFERS)) == 1
    assert [kind for kind, _ in await market.books()].count("transfer_confirmed") == 1


async def test_the_timeline_shows_who_asked_and_why(market: Marketplace) -> None:
    escrow, _ = await transfer_under_way(market)
    effect = await open_effect(market)

    await market.operator.operators.RetryEffect(retry(effect))

    last = (await market.timeline(escrow))[-1]
    assert (last.operation, last.actor, last.caller) == ("retry_effect", "operator", "orders")
    assert last.note == f"{effect.id}: {REASON}"


async def test_what_is_due_late_because_of_a_clock_is_sent_now(market: Marketplace) -> None:
    await transfer_under_way(market)
    await market.owner.execute("UPDATE effects SET due_at = now() + interval '2 hours'")
    effect = await open_effect(market)
    assert (effect.state, effect.waiting_for) == (op.EFFECT_STATE_PLANNED, "its turn")

    await market.operator.operators.RetryEffect(retry(effect))
    await market.work()

    assert (await read_effect(market, effect)).state == op.EFFECT_STATE_SUCCEEDED


async def test_an_answer_that_fits_no_more_is_shown_until_it_does(market: Marketplace) -> None:
    effect, _, copied = await shadowed(market)

    assert effect.needs_person
    assert effect.problem == "Contradiction: the transfer's amount is 100, not 8000"
    assert effect.waiting_for.startswith("an operator: ")
    needing = op.ListEffectsRequest(filter=op.EFFECT_FILTER_NEEDS_PERSON)
    assert [e.id for e in (await market.operator.operators.ListEffects(needing)).effects] == [
        effect.id
    ]
    # Whoever copied the metadata takes it away again.
    await market.sandbox.stripe(f"{TRANSFERS}/{copied['id']}", **{"metadata[effect]": ""})

    await market.operator.operators.RetryEffect(retry(effect))
    await market.work()

    ended = await read_effect(market, effect)
    assert (ended.state, ended.needs_person) == (op.EFFECT_STATE_SUCCEEDED, False)
    assert not (await market.operator.operators.ListEffects(needing)).effects


async def test_what_has_ended_is_not_retried(market: Marketplace) -> None:
    effect, _ = await answer_lost(market)
    await market.patience()
    await market.work()

    async with market.refuses("WRONG_STATE") as refusal:
        await market.operator.operators.RetryEffect(retry(effect))

    assert refusal.metadata["state"] == "SUCCEEDED"


async def test_while_it_is_being_sent_nobody_asks_for_it_again(market: Marketplace) -> None:
    effect = await never_arrived(market)
    later = Later(market)
    await market.patience()
    leased = await later.lease()

    async with market.refuses("EFFECT_UNDER_WAY"):
        await market.operator.operators.RetryEffect(retry(effect))

    await perform_effect(later.runtime, leased)
    assert len(await market.sandbox.objects(TRANSFERS)) == 1


async def test_whoever_read_it_before_somebody_else_acted_reads_it_again(
    market: Marketplace,
) -> None:
    effect = await never_arrived(market)
    await market.operator.operators.RetryEffect(retry(effect, etag=effect.etag))

    async with market.refuses("STALE_ETAG"):
        await market.operator.operators.RetryEffect(retry(effect, etag=effect.etag))


async def test_a_hundred_operators_and_two_workers_pay_once(market: Marketplace) -> None:
    effect = await never_arrived(market)
    runtime = market.running.runtime

    async def ask() -> str:
        try:
            await market.operator.operators.RetryEffect(retry(effect))
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)
        return "OK"

    async def send() -> str:
        for _ in range(3):
            leased = await lease_effect(
                runtime.pool, "default", ids.parse(effect.id), runtime.clock(), lease=LEASE
            )
            if leased:
                await perform_effect(runtime, leased)
            await asyncio.sleep(0.01)
        return "sent"

    answers = await asyncio.gather(*(ask() for _ in range(100)), send(), send())

    assert set(answers) <= {"OK", "FAILED_PRECONDITION", "ABORTED", "sent"}
    assert "OK" in answers
    await market.work()
    assert len(await market.sandbox.objects(TRANSFERS)) == 1
    kinds = [kind for kind, _ in await market.books()]
    assert kinds.count("transfer_requested") == kinds.count("transfer_confirmed") == 1


async def test_only_operators_ask(market: Marketplace) -> None:
    effect = await never_arrived(market)

    async with market.refuses("PERMISSION_MISSING"):
        await market.service.operators.RetryEffect(retry(effect))


async def test_every_attempt_is_shown(market: Marketplace) -> None:
    effect, made = await answer_lost(market)
    await market.patience()
    await market.work()

    shown = await market.operator.operators.GetEffect(op.GetEffectRequest(effect_id=effect.id))

    assert [(a.attempt, a.outcome) for a in shown.attempts] == [(1, "lost"), (2, "succeeded")]
    assert shown.attempts[1].detail == made["id"]
