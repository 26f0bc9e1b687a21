"""An operator names what a call made; Stripe is asked, and it is held against the call."""

import asyncio

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import party_service_pb2 as party_pb
from service.aggregates.contradiction import Contradiction
from service.effects import create_transfer
from service.effects.perform import perform_effect
from tests.service.operations.later import Later
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.operators.stuck import (
    REASON,
    answer_lost,
    open_effect,
    read_effect,
    settlement,
    shadowed,
    transfer_by_hand,
)
from tests.service.operations.transfers import TRANSFERS, TRIES


async def test_the_right_one_of_two_settles_the_transfer(market: Marketplace) -> None:
    effect, made, _ = await shadowed(market)
    escrow_id = effect.escrow_id

    ended = (await market.operator.operators.SettleEffect(settlement(effect, made["id"]))).effect

    assert (ended.state, ended.stripe_object) == (op.EFFECT_STATE_SUCCEEDED, made["id"])
    assert not ended.needs_person
    payee = await market.service.parties.GetPayee(
        party_pb.GetPayeeRequest(payee_id=effect.payee_id)
    )
    assert (await market.books(payee.payee))[-1] == (
        "transfer_confirmed",
        {
            "liab:transfers_in_flight": 8_000,
            "conn:account:balance": 8_000,
            "asset:stripe": -8_000,
            "conn:account:owner": -8_000,
        },
    )
    last = (await market.timeline(pb.Escrow(id=escrow_id)))[-1]
    assert (last.operation, last.actor) == ("settle_effect", "operator")
    assert last.note == f"{effect.id}: {made['id']}: {REASON}"


async def test_the_milestone_says_that_an_operator_has_to_look(market: Marketplace) -> None:
    effect, made, _ = await shadowed(market)
    escrow = await market.read(pb.Escrow(id=effect.escrow_id))
    assert escrow.milestones[0].waiting_for == (
        "an operator: Stripe's answer to the transfer does not fit (RetryEffect)"
    )
    shown = len(await market.timeline(escrow))
    await market.patience()
    await market.effects.run_once()
    assert len(await market.timeline(escrow)) == shown  # once, and not at every look-up

    await market.operator.operators.SettleEffect(settlement(effect, made["id"]))

    assert (await market.read(escrow)).milestones[0].waiting_for == ""


async def test_another_object_is_refused_whatever_the_operator_says(market: Marketplace) -> None:
    effect, made, copied = await shadowed(market)
    metadata = {"metadata[effect]": "", "metadata[release]": made["metadata"]["release"]}
    stranger = await transfer_by_hand(market, made, amount="300", **metadata)

    async with market.refuses("OBJECT_DOES_NOT_FIT") as refusal:
        await market.operator.operators.SettleEffect(settlement(effect, copied["id"]))
    assert "the transfer's amount is 100, not 8000" in refusal.message
    async with market.refuses("OBJECT_DOES_NOT_FIT") as refusal:
        await market.operator.operators.SettleEffect(settlement(effect, stranger["id"]))
    assert f'set "effect" to {effect.id}' in refusal.message
    async with market.refuses("STRIPE_REFUSED"):
        await market.operator.operators.SettleEffect(settlement(effect, "tr_nowhere"))
    for nonsense in ("tr_1/reversals", "..", "tr_", "a b"):
        async with market.refuses("INVALID_FIELD"):
            await market.operator.operators.SettleEffect(settlement(effect, nonsense))


async def test_an_object_without_our_id_settles_once_somebody_puts_it_back(
    market: Marketplace,
) -> None:
    effect, made = await answer_lost(market)
    path = f"{TRANSFERS}/{made['id']}"
    await market.sandbox.stripe(path, **{"metadata[effect]": ""})
    request = settlement(effect, made["id"])
    async with market.refuses("OBJECT_DOES_NOT_FIT"):
        await market.operator.operators.SettleEffect(request)

    await market.sandbox.stripe(path, **{"metadata[effect]": effect.id})
    ended = (await market.operator.operators.SettleEffect(request)).effect

    assert ended.state == op.EFFECT_STATE_SUCCEEDED


async def test_a_payout_is_settled_in_the_payees_account(market: Marketplace) -> None:
    payee = await market.paid_payee()
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(3_000)
    )
    payout = (await market.payee.parties.RequestPayout(request)).payout
    await market.sandbox.fail_next("/v1/payouts", "cut_after_effect", times=TRIES)
    await market.effects.run_once()
    effect = await open_effect(market, "create_payout")
    (made,) = await market.sandbox.objects("/v1/payouts", payee.stripe_account)

    await market.operator.operators.SettleEffect(settlement(effect, made["id"]))

    found = await market.service.parties.GetPayout(party_pb.GetPayoutRequest(payout_id=payout.id))
    assert found.payout.state == party_pb.PAYOUT_STATE_PENDING
    assert (await market.books(payee))[-1] == (
        "payout_created",
        {"conn:account:in_transit": 3_000, "conn:account:balance": -3_000},
    )


async def test_a_call_that_makes_nothing_is_not_settled_by_an_object(market: Marketplace) -> None:
    await market.new_payee(active=False)
    await market.sandbox.fail_next("/v1/balance_settings", "cut_before_effect", times=TRIES)
    await market.effects.run_once()
    effect = await open_effect(market, "set_manual_payouts")

    async with market.refuses("MAKES_NO_OBJECT"):
        await market.operator.operators.SettleEffect(settlement(effect, "acct_1"))


async def test_while_a_worker_has_it_nobody_settles_it(market: Marketplace) -> None:
    """What the worker sends, and an object made by hand, would else be two payments."""
    effect, made = await answer_lost(market)
    await market.patience()
    later = Later(market)
    leased = await later.lease()

    async with market.refuses("EFFECT_UNDER_WAY"):
        await market.operator.operators.SettleEffect(settlement(effect, made["id"]))

    await perform_effect(later.runtime, leased)
    assert (await read_effect(market, effect)).stripe_object == made["id"]


async def test_a_hundred_at_once_and_the_event_settle_it_once(market: Marketplace) -> None:
    effect, made = await answer_lost(market)
    for event in await market.news():
        await market.tell(event)

    async def settle() -> str:
        try:
            await market.operator.operators.SettleEffect(settlement(effect, made["id"]))
        except grpc.aio.AioRpcError as refused:
            return str(refused.code().name)
        return "OK"

    answers = await asyncio.gather(*(settle() for _ in range(100)), market.work())

    assert answers.count("OK") <= 1
    assert set(answers) <= {"OK", "FAILED_PRECONDITION", "ABORTED", "UNAVAILABLE", None}
    assert (await read_effect(market, effect)).state == op.EFFECT_STATE_SUCCEEDED
    assert [kind for kind, _ in await market.books()].count("transfer_confirmed") == 1


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_dry_run_writes_nothing(market: Marketplace, dry_run: bool) -> None:
    effect, made = await answer_lost(market)
    request = settlement(effect, made["id"], validate_only=dry_run)

    shown = (await market.operator.operators.SettleEffect(request)).effect

    assert shown.state == op.EFFECT_STATE_SUCCEEDED
    kept = (await read_effect(market, effect)).state
    assert kept == (op.EFFECT_STATE_UNKNOWN if dry_run else op.EFFECT_STATE_SUCCEEDED)


async def test_a_transfer_that_was_booked_as_unexplained_is_explained(
    market: Marketplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older release could not read it, so the sweep booked it as nobody's; and it is ours."""
    effect, made = await answer_lost(market)

    def misread(*_: object) -> None:
        raise Contradiction("this release reads it wrongly")

    with monkeypatch.context() as older:
        older.setattr(create_transfer, "hold_against", misread)
        await market.patience()
        await market.effects.run_once()
        await market.sweep()
    transaction_id = made["balance_transaction"]
    assert await market.balance(f"asset:unexplained:{transaction_id}") == 8_000
    await market.patience()
    await market.effects.run_once()
    assert (await read_effect(market, effect)).needs_person  # the movement has its row

    await market.operator.operators.SettleEffect(settlement(effect, made["id"]))

    kind, entries = (await market.books())[-1]
    assert kind == "transfer_explained"
    assert entries["liab:transfers_in_flight"] == 8_000
    assert entries[f"asset:unexplained:{transaction_id}"] == -8_000
    assert await market.balance(f"asset:unexplained:{transaction_id}") == 0
    await market.sweep()
    assert all(each.wrong == [] for each in await market.compare())
