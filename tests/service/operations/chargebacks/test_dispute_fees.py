"""The fee of a lost chargeback where payees bear it: row 15f, and its reverse after a win."""

from dataclasses import replace

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as escrow_pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import policy_service_pb2 as policy_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from service.domain.policy import DisputeFeeBearer
from service.domain.policy_default import DEFAULT_POLICY
from tests.depth import deeper
from tests.service.movements.strangers import moved
from tests.service.movements.test_currencies import in_euro, settles_in_dollars
from tests.service.operations.chargebacks.test_settlements import (
    arranged,
    assert_all_holds,
    lines,
    lose,
    only,
    profit,
    settle,
)
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.policies.policies import apply
from tests.service.operations.refunds.money import receivables
from tests.service.operations.refunds.reversals import adopt, reverse

PAYEE = policy_pb.DISPUTE_FEE_BEARER_PAYEE
PASSED_ON = (
    "dispute_fee_passed_on",
    {"asset:receivable:payee:payee": 1_500, "exp:dispute_fee": -1_500},
)


async def give_up(market: Marketplace, debt: refund_pb.Receivable) -> None:
    request = refund_pb.WriteOffReceivableRequest(
        request_id=new_request_id(), receivable_id=debt.id, reason="They are gone."
    )
    await market.client("operator", role="operator").refunds.WriteOffReceivable(request)


async def fees_of(
    market: Marketplace, escrow: escrow_pb.Escrow
) -> list[tuple[str, dict[str, int]]]:
    return [each for each in await lines(market, escrow) if each[0].startswith("dispute_fee")]


@pytest.mark.parametrize(
    "where", deeper(["held", "paid out"], ["held", "payable", "sent", "paid out"])
)
async def test_a_payee_bears_the_fee_until_it_is_won(market: Marketplace, where: str) -> None:
    await moved(market, "topup", 1_000_000)
    escrow = await arranged(market, where)
    disputed = await lose(market, escrow)
    before_minor = await profit(market)
    assert before_minor == (-1_835 if where == "held" else 665)

    answer = await settle(market, await only(market), dispute_fee=PAYEE)
    await market.settle()

    assert answer.chargeback.fee_borne_by_payees.amount_minor == 1_500
    assert await fees_of(market, escrow) == [PASSED_ON]
    assert await profit(market) == -335
    (fee,) = [each for each in await receivables(market) if not each.release_id]
    assert (fee.owed.amount_minor, fee.refund_id) == (1_500, answer.taken.id)
    await assert_all_holds(market)
    if where == "paid out":  # both are given up, and owed no more after the win
        for debt in await receivables(market):
            await give_up(market, debt)
        assert await profit(market) == -335 - 9_500

    await market.sandbox.control(f"disputes/{disputed['id']}/win")
    await market.settle()

    assert (await only(market)).fee_borne_by_payees.amount_minor == 0
    assert await profit(market) == (before_minor)
    assert not [each for each in await receivables(market) if each.owed.amount_minor]
    await assert_all_holds(market)


@pytest.mark.parametrize("where", ["held", "sent"])
async def test_what_was_netted_of_it_is_given_back_after_a_win(
    market: Marketplace, where: str
) -> None:
    """By a transfer of its own, from the platform's balance; then the bank turns once more."""
    await moved(market, "topup", 1_000_000)
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    if where == "sent":
        await market.accept(escrow)
        await market.settle()
    disputed = await lose(market, escrow)
    await settle(market, await only(market), dispute_fee=PAYEE)
    await market.settle()
    account = f"conn:{payee.stripe_account}:balance"
    await market.accept(await market.delivered_escrow(payee=payee))
    await market.settle()
    assert await market.balance(account) == 6_500
    (fee,) = [each for each in await receivables(market) if not each.release_id]
    assert (fee.netted.amount_minor, fee.state) == (1_500, refund_pb.RECEIVABLE_STATE_SETTLED)

    await market.sandbox.control(f"disputes/{disputed['id']}/win")
    await market.settle()

    assert await market.balance(account) == 8_000 + (8_000 if where == "sent" else 0)
    assert await fees_of(market, escrow) == [
        PASSED_ON,
        (
            "dispute_fee_taken_back",
            {"exp:dispute_fee": 1_500, "liab:payee:payee:payable": -1_500},
        ),
    ]
    await assert_all_holds(market)
    if where == "held":  # somebody reverses a part of that transfer by mistake
        await adopt(market, escrow, await reverse(market, 600, escrow=escrow), "GIVE_BACK")
        await market.settle()
        assert await market.balance(account) == 8_000
        await assert_all_holds(market)

    await market.sandbox.control(f"disputes/{disputed['id']}/overturn")
    await market.settle()
    await settle(market, await only(market), dispute_fee=PAYEE)
    await market.settle()
    assert (await only(market)).fee_borne_by_payees.amount_minor == 1_500
    fees = [each.owed.amount_minor for each in await receivables(market) if not each.release_id]
    assert sorted(fees) == [0, 1_500]
    await assert_all_holds(market)


async def test_what_is_given_back_waits_for_its_payee_and_is_shown(market: Marketplace) -> None:
    """Their account is gone at that moment, so that it goes to the one they have next."""
    await moved(market, "topup", 1_000_000)
    payee = await market.new_payee()
    escrow = await market.delivered_escrow(payee=payee)
    disputed = await lose(market, escrow)
    await settle(market, await only(market), dispute_fee=PAYEE)
    await market.accept(await market.delivered_escrow(payee=payee))
    await market.settle()
    await market.deauthorize(payee)
    await market.sandbox.control(f"disputes/{disputed['id']}/win")
    await market.settle()
    assert await market.balance(f"liab:payee:{payee.id}:payable") == 1_500
    await assert_all_holds(market)

    other = await market.new_payee()  # the price can go to them, what is given back stays
    redirected = escrow_pb.RedirectShareRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        payee_id=payee.id,
        to_payee_id=other.id,
        reason="They have no account.",
        validate_only=True,
    )
    await market.client("operator", role="operator").escrows.RedirectShare(redirected)

    request = party_pb.ReplacePayeeAccountRequest(request_id=new_request_id(), payee_id=payee.id)
    await market.payee.parties.ReplacePayeeAccount(request)
    await market.work()
    await market.onboard(await market.find_payee(payee))
    await market.settle()

    after = await market.find_payee(payee)
    assert await market.balance(f"conn:{after.stripe_account}:balance") == 1_500
    await market.accept(await market.read(escrow))
    await market.settle()
    assert await market.balance(f"conn:{after.stripe_account}:balance") == 9_500
    await assert_all_holds(market)


async def test_who_bears_it_by_the_policy_and_by_the_operator(market: Marketplace) -> None:
    """In proportion to the loss, by largest remainder, and the platform what it bears of that."""
    await apply(market, replace(DEFAULT_POLICY, dispute_fee=DisputeFeeBearer.PAYEE))
    escrow = await market.delivered_escrow()
    await lose(market, escrow)
    known = await only(market)

    for more, borne_minor in (
        ({}, 1_500),
        ({"dispute_fee": policy_pb.DISPUTE_FEE_BEARER_PLATFORM}, 0),
        ({"platform_minor": 7_000}, 500),
        ({"platform_minor": 10_500}, 0),
        ({"dispute_fee": PAYEE}, 1_500),
    ):
        answer = await settle(market, known, anew=True, **more)
        assert answer.chargeback.fee_borne_by_payees.amount_minor == borne_minor
        owed = [each.owed.amount_minor for each in await receivables(market)]
        assert sum(owed) == borne_minor
        await assert_all_holds(market)


async def test_the_platform_bears_it_in_another_currency(market: Marketplace) -> None:
    await moved(market, "topup", 1_000_000)
    await settles_in_dollars(market)
    escrow = await in_euro(market, 10_000)
    await market.deliver(escrow)
    await lose(market, escrow)
    answer = await settle(market, await only(market), dispute_fee=PAYEE)
    assert answer.chargeback.fee_borne_by_payees.amount_minor == 0
    assert not await receivables(market)
    await assert_all_holds(market)
