"""A payout that was sent from an account which is lost since, and an account that came back."""

import pytest

from escrow.client import new_request_id
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.operators.stuck import (
    long_ago,
    open_effect,
    read_effect,
    rejection,
)
from tests.service.operations.parties.test_replace_payee_account import replace
from tests.service.operations.transfers import TRIES
from tests.service.store.stories import assert_books_hold

FORGOTTEN = "UPDATE effects SET key_used_at = key_used_at - interval '2 days'"


def payout_of(payee: party_pb.Payee, amount_minor: int) -> party_pb.RequestPayoutRequest:
    return party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(amount_minor)
    )


async def unanswered_payout(market: Marketplace) -> tuple[party_pb.Payee, op.Effect]:
    """30.00 are paid out and nobody heard of it; then the payee takes our access away."""
    payee = await market.paid_payee()
    await market.payee.parties.RequestPayout(payout_of(payee, 3_000))
    await market.sandbox.fail_next("/v1/payouts", "cut_after_effect", times=TRIES)
    await market.effects.run_once()
    return await market.deauthorize(payee), await open_effect(market, "create_payout")


@pytest.mark.parametrize("forgotten", [False, True])
async def test_a_payout_that_nobody_can_look_up_waits_for_a_person(
    market: Marketplace, *, forgotten: bool
) -> None:
    """Stripe refuses to send it again; that does not say that it was not made."""
    _, effect = await unanswered_payout(market)
    if forgotten:
        await market.owner.execute(FORGOTTEN)
    await market.patience()
    await market.effects.run_once()

    waiting = await read_effect(market, effect)

    assert waiting.state == op.EFFECT_STATE_UNKNOWN
    assert waiting.needs_person
    assert "payout_created" not in [kind for kind, _ in await market.books()]
    await long_ago(market)
    ended = (await market.operator.operators.RejectEffect(rejection(effect))).effect
    assert ended.state == op.EFFECT_STATE_REJECTED
    assert "payout_created" not in [kind for kind, _ in await market.books()]
    await assert_books_hold(market.running.runtime.pool)


async def test_it_does_not_count_against_the_next_account(market: Marketplace) -> None:
    payee, _ = await unanswered_payout(market)
    ready = await market.onboard(await replace(market, payee))
    escrow = await market.delivered_escrow(payee=ready)
    await market.accept(escrow)
    await market.settle()

    payout = (await market.payee.parties.RequestPayout(payout_of(ready, 8_000))).payout

    await market.work()
    request = party_pb.GetPayoutRequest(payout_id=payout.id)
    made = (await market.payee.parties.GetPayout(request)).payout
    assert made.state == party_pb.PAYOUT_STATE_PENDING
    (sent,) = await market.sandbox.objects("/v1/payouts", ready.stripe_account)
    assert sent["amount"] == 8_000
    await assert_books_hold(market.running.runtime.pool)


async def test_an_account_that_an_older_version_gave_back_is_replaced_again(
    market: Marketplace,
) -> None:
    """Its look-up did not know of replacements, and found the lost account."""
    payee = await market.deauthorize(await market.new_payee())
    await replace(market, payee)
    await market.owner.execute(
        "UPDATE payees SET stripe_account = $1, state = 'DEAUTHORIZED'", payee.stripe_account
    )
    before = await market.find_payee(payee)

    replaced = await replace(market, before)

    assert replaced.stripe_account not in ("", payee.stripe_account)
    found = await market.find_payee(payee)
    assert [known.stripe_account for known in found.previous_accounts] == [payee.stripe_account]
