"""An operator ends a call of which nothing happened: money in flight is its owner's again."""

import asyncio

import grpc

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import party_service_pb2 as party_pb
from service.effects.perform import perform_effect
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, transitions, usd
from tests.service.operations.operators.stuck import (
    REASON,
    answer_lost,
    long_ago,
    never_arrived,
    open_effect,
    read_effect,
    rejection,
    shadowed,
    transfer_under_way,
)
from tests.service.operations.transfers import TRANSFERS, TRIES


async def test_a_transfer_that_never_happened_goes_back_to_payable(market: Marketplace) -> None:
    escrow, payee = await transfer_under_way(market)
    await market.sandbox.fail_next(TRANSFERS, "cut_before_effect", times=TRIES)
    await market.effects.run_once()
    effect = await open_effect(market)
    await long_ago(market)

    ended = (await market.operator.operators.RejectEffect(rejection(effect))).effect

    assert (ended.state, ended.problem.split(":")[0]) == (
        op.EFFECT_STATE_REJECTED,
        "ended_by_operator",
    )
    assert (await market.books(escrow))[-1] == (
        "transfer_refused",
        {"liab:transfers_in_flight": 8_000, "liab:payee:payee:payable": -8_000},
    )
    assert await market.balance(f"liab:payee:{payee.id}:payable") == 8_000
    assert (await market.read(escrow)).milestones[0].waiting_for == "the transfer"
    last = (await market.timeline(escrow))[-1]
    assert (last.operation, last.actor, last.note) == (
        "reject_effect",
        "operator",
        f"{effect.id}: {REASON}",
    )
    assert ("eff", "UNKNOWN", "REJECTED") in transitions(last)
    assert ("rel", "IN_FLIGHT", "WAITING") in transitions(last)


async def test_it_is_sent_again_under_a_new_key_and_paid_once(market: Marketplace) -> None:
    effect = await never_arrived(market)
    await long_ago(market)
    await market.operator.operators.RejectEffect(rejection(effect))

    await Later(market).ask_again()

    again = await read_effect(market, effect)
    assert (again.state, again.generation) == (op.EFFECT_STATE_SUCCEEDED, 2)
    (made,) = await market.sandbox.objects(TRANSFERS)
    assert made["amount"] == 8_000
    kinds = [kind for kind, _ in await market.books()]
    assert kinds[-3:] == ["transfer_refused", "transfer_requested", "transfer_confirmed"]
    assert all(each.wrong == [] for each in await market.compare())


async def test_what_stripe_shows_as_done_is_not_rejected(market: Marketplace) -> None:
    effect, made = await answer_lost(market)
    await long_ago(market)

    async with market.refuses("EFFECT_DONE") as refusal:
        await market.operator.operators.RejectEffect(rejection(effect))

    assert refusal.metadata["stripe_object"] == made["id"]
    await market.patience()
    await market.work()
    assert (await read_effect(market, effect)).state == op.EFFECT_STATE_SUCCEEDED


async def test_a_transfer_that_does_not_fit_is_not_rejected_either(market: Marketplace) -> None:
    """Money has left with this effect's id: whoever denies it says so at Stripe first."""
    effect, _, copied = await shadowed(market)
    await long_ago(market)

    async with market.refuses("EFFECT_DONE") as refusal:
        await market.operator.operators.RejectEffect(rejection(effect))

    assert refusal.metadata["stripe_object"] == copied["id"]


async def test_while_stripe_cannot_say_nothing_is_rejected(market: Marketplace) -> None:
    effect = await never_arrived(market)
    await long_ago(market)
    await market.sandbox.fail_next(TRANSFERS, "status", method="GET", times=TRIES)

    async with market.refuses("STRIPE_UNAVAILABLE"):
        await market.operator.operators.RejectEffect(rejection(effect))


async def test_what_was_only_just_sent_may_still_be_executed(market: Marketplace) -> None:
    effect = await never_arrived(market)

    async with market.refuses("EFFECT_UNDER_WAY") as refusal:
        await market.operator.operators.RejectEffect(rejection(effect))

    assert refusal.metadata["retry_at"]


async def test_while_a_worker_has_it_nothing_is_rejected(market: Marketplace) -> None:
    effect = await never_arrived(market)
    await long_ago(market)
    await market.patience()
    later = Later(market)
    leased = await later.lease()

    async with market.refuses("EFFECT_UNDER_WAY"):
        await market.operator.operators.RejectEffect(rejection(effect))

    await perform_effect(later.runtime, leased)
    assert (await read_effect(market, effect)).state == op.EFFECT_STATE_SUCCEEDED
    assert len(await market.sandbox.objects(TRANSFERS)) == 1


async def test_what_has_not_been_sent_has_nothing_to_reject(market: Marketplace) -> None:
    await transfer_under_way(market)
    effect = await open_effect(market)

    async with market.refuses("WRONG_STATE") as refusal:
        await market.operator.operators.RejectEffect(rejection(effect))

    assert "RetryEffect" in refusal.message


async def test_a_dry_run_says_what_would_be_and_writes_nothing(market: Marketplace) -> None:
    effect = await never_arrived(market)
    await long_ago(market)
    request = rejection(effect, validate_only=True)

    async with market.unchanged():
        shown = (await market.operator.operators.RejectEffect(request)).effect
    assert shown.state == op.EFFECT_STATE_REJECTED

    request.validate_only = False  # the request_id is still unused
    await market.operator.operators.RejectEffect(request)
    assert (await read_effect(market, effect)).state == op.EFFECT_STATE_REJECTED


async def test_a_payment_whose_answer_never_fits_ends_and_another_may_begin(
    market: Marketplace,
) -> None:
    """No money has left by it, and the payer would else never pay."""
    escrow = await market.new_escrow()
    request = pb.FundEscrowRequest(request_id=new_request_id(), escrow_id=escrow.id)
    await market.sandbox.fail_next("/v1/payment_intents", "cut_after_effect", times=TRIES)
    async with market.refuses("STRIPE_UNAVAILABLE", writes=True):
        await market.payer.escrows.FundEscrow(request)
    (made,) = await market.sandbox.objects("/v1/payment_intents")
    await market.sandbox.stripe(f"/v1/payment_intents/{made['id']}", amount="99")
    await market.patience()
    await market.effects.run_once()
    effect = await open_effect(market, "create_payment_intent")
    assert effect.needs_person
    await long_ago(market)

    await market.operator.operators.RejectEffect(rejection(effect))

    paid = await market.fund(escrow)
    await market.pay(paid)
    await market.settle()
    assert (await market.read(escrow)).milestones[0].held.amount_minor == 10_000
    assert [kind for kind, _ in await market.books()] == ["payment_succeeded", "charge_settled"]


async def test_a_payout_that_never_happened_can_be_asked_for_again(market: Marketplace) -> None:
    payee = await market.paid_payee()
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(3_000)
    )
    payout = (await market.payee.parties.RequestPayout(request)).payout
    await market.sandbox.fail_next("/v1/payouts", "cut_before_effect", times=TRIES)
    await market.effects.run_once()
    effect = await open_effect(market, "create_payout")
    assert (effect.subject_id, effect.stripe_account) == (payout.id, payee.stripe_account)
    await long_ago(market)

    await market.operator.operators.RejectEffect(rejection(effect))

    found = await market.service.parties.GetPayout(party_pb.GetPayoutRequest(payout_id=payout.id))
    assert found.payout.state == party_pb.PAYOUT_STATE_REJECTED
    assert "payout_created" not in [kind for kind, _ in await market.books()]
    kept = "SELECT note FROM operations WHERE kind = 'reject_effect'"
    assert await market.owner.fetchval(kept) == f"{effect.id}: {REASON}"


async def test_a_hundred_at_once_put_it_back_once(market: Marketplace) -> None:
    effect = await never_arrived(market)
    await long_ago(market)

    async def reject() -> str:
        try:
            await market.operator.operators.RejectEffect(rejection(effect))
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)
        return "OK"

    answers = await asyncio.gather(*(reject() for _ in range(100)))

    assert answers.count("OK") == 1
    assert set(answers) <= {"OK", "FAILED_PRECONDITION", "ABORTED", "UNAVAILABLE"}
    assert [kind for kind, _ in await market.books()].count("transfer_refused") == 1


async def test_a_transfer_that_arrives_after_all_is_found_and_not_paid_again(
    market: Marketplace,
) -> None:
    """It was hidden from the look-up when an operator gave it up."""
    effect, made = await answer_lost(market)
    path = f"{TRANSFERS}/{made['id']}"
    await market.sandbox.stripe(path, **{"metadata[effect]": ""})
    await long_ago(market)
    await market.operator.operators.RejectEffect(rejection(effect))
    await market.sandbox.stripe(path, **{"metadata[effect]": effect.id})

    await Later(market).ask_again()
    await market.settle()

    ended = await read_effect(market, effect)
    assert (ended.state, ended.stripe_object) == (op.EFFECT_STATE_SUCCEEDED, made["id"])
    assert len(await market.sandbox.objects(TRANSFERS)) == 1
    assert [kind for kind, _ in await market.books()].count("transfer_confirmed") == 1
