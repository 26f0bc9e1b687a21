"""Refunds where the payee's account holds another currency than the transfer's: 7cx, 12x and 12cx.

Paid in EUR, settled in USD, and EUR again at the payee's, who gives back EUR at the day's rate.
"""

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from escrow.v1.money_pb2 import Money
from service.operations.operators.verify_books import verify_books
from service.operations.sweeps.sweep_balance_transactions import Swept, book_page
from service.store.sweeps import new_sweep
from tests.service.movements.strangers import assert_same_as_stripe
from tests.service.movements.test_currencies import (
    assert_books_hold,
    entries_of,
    in_euro,
    settles_in_dollars,
)
from tests.service.operations.marketplace import TENANT, Marketplace
from tests.service.operations.refunds.money import receivables, refund, stocked
from tests.service.operations.refunds.test_currencies import assert_nothing_left, now_at
from tests.service.operations.transfers import TRANSFERS, TRIES

BOOK = (
    "SELECT split_part(account, ':', 3), currency, sum(amount_minor) FROM entries"
    " WHERE account LIKE 'conn:%' GROUP BY 1, 2 HAVING sum(amount_minor) <> 0 ORDER BY 1, 2"
)


async def transferred(market: Marketplace) -> tuple[pb.Escrow, party_pb.Payee]:
    """80.00 EUR of 100.00 are 88.00 USD, and 80.00 EUR in the account of a German payee."""
    await stocked(market)
    await settles_in_dollars(market)
    await market.sandbox.control("settings", accounts_settle_in="external_accounts")
    payee = await market.new_payee(country="DE")
    escrow = await in_euro(market, 10_000, payee=payee)
    await market.accept(await market.deliver(escrow))
    await market.settle()
    return await market.read(escrow), payee


async def book(market: Marketplace) -> dict[tuple[str, str], int]:
    """What the payee's account comes to, by account and currency."""
    return {(row[0], row[1]): int(row[2]) for row in await market.owner.fetch(BOOK)}


async def read_account(market: Marketplace, payee: party_pb.Payee, *types: str) -> int:
    """The account's own balance transactions of these types are read, and nothing else; how many
    there are.
    """
    gateway = market.running.runtime.stripe[TENANT]
    page, _ = await gateway.list_balance_transactions(payee.stripe_account, since=None, after=None)
    sweep = new_sweep(TENANT, payee.stripe_account, market.running.runtime.clock())
    chosen = [each for each in page if each["type"] in types]
    await book_page(market.alone, sweep, chosen, Swept())
    return len(chosen)


async def pay_in(market: Marketplace, payee: party_pb.Payee, amount_minor: int) -> None:
    """Somebody else pays the payee: in USD, which their account may convert."""
    await market.sandbox.stripe(
        TRANSFERS, destination=payee.stripe_account, amount=str(amount_minor), currency="usd"
    )


@pytest.mark.parametrize("read_first", ["nothing", "arrival", "return", "arrival, then return"])
async def test_in_every_order_of_news(market: Marketplace, read_first: str) -> None:
    """The example of ledger.md, with a payee who holds EUR: 44.00 USD at 1.05 are 41.90 EUR."""
    escrow, payee = await transferred(market)
    if "arrival" in read_first:
        assert await read_account(market, payee, "payment") == 1
    await now_at(market, 1.05)
    await refund(market, escrow, 5_000)
    await market.settle()
    if "return" in read_first:
        assert await read_account(market, payee, "payment_refund") == 1
        await assert_books_hold(market)
    await market.sweep()

    assert await entries_of(market, "reversal_converted") == [
        ("asset:exchange", "EUR", 4_000),
        ("asset:stripe", "USD", 4_400),
        ("conn:*:owner", "USD", 4_400),
        ("asset:receivable:payee:*", "EUR", -4_000),
        ("asset:exchange", "USD", -4_400),
        ("conn:*:balance", "USD", -4_400),
    ]
    assert await entries_of(market, "arrived_converted") == [
        ("conn:*:owner", "USD", 8_800),
        ("conn:*:balance", "EUR", 8_000),
        ("conn:*:balance", "USD", -8_800),
        ("conn:*:owner", "EUR", -8_000),
    ]
    assert await entries_of(market, "returned_converted") == [
        ("conn:*:balance", "USD", 4_400),
        ("conn:*:owner", "EUR", 4_190),
        ("conn:*:owner", "USD", -4_400),
        ("conn:*:balance", "EUR", -4_190),
    ]
    assert await book(market) == {("balance", "EUR"): 3_810, ("owner", "EUR"): -3_810}
    await assert_nothing_left(market)
    payout = party_pb.RequestPayoutRequest(
        request_id=new_request_id(),
        payee_id=payee.id,
        amount=Money(amount_minor=3_810, currency="EUR"),
    )
    await market.payee.parties.RequestPayout(payout)
    await assert_nothing_left(market)
    assert ("balance", "EUR") not in await book(market)


async def test_the_answer_is_lost_and_the_account_is_read_first(market: Marketplace) -> None:
    """What the account gave back waits for what becomes of the reversal."""
    escrow, payee = await transferred(market)
    await refund(market, escrow, 5_000)
    await market.effects.run_once()  # the refund
    await market.sandbox.fail_next(f"{TRANSFERS}/", "cut_after_effect", method="POST", times=TRIES)
    while await market.receivables.run_once() + await market.effects.run_once():
        pass
    assert await read_account(market, payee, "payment", "payment_refund") == 2
    assert await entries_of(market, "returned_converted") == []
    assert await entries_of(market, "reversal_converted") == []

    await market.patience()
    await market.settle()

    await market.owner.execute("UPDATE undecided_transactions SET due_at = now() - interval '1 s'")
    await assert_nothing_left(market)
    assert len(await entries_of(market, "returned_converted")) == 4


async def test_in_parts_at_several_rates(market: Marketplace) -> None:
    """The last part takes the rest of the transfer, and of the account what Stripe says."""
    escrow, payee = await transferred(market)
    given = 0
    for amount_minor, rate in ((3_333, 1.2), (1_111, 1.13), (2_777, 1.3333), (None, 1.17)):
        await now_at(market, rate)
        await refund(market, escrow, amount_minor)
        await market.settle()
    for each in await market.sandbox.objects("/v1/balance_transactions", payee.stripe_account):
        given -= each["amount"] if each["type"] == "payment_refund" else 0
    await assert_nothing_left(market)
    assert (await book(market))["balance", "EUR"] == 8_000 - given
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED


@pytest.mark.parametrize("read_first", [False, True])
async def test_of_what_others_paid_in(market: Marketplace, read_first: bool) -> None:
    """88.00 USD at 1.00 are 88.00 EUR: 8.00 more than our transfer brought, of another's money."""
    escrow, payee = await transferred(market)
    await pay_in(market, payee, 2_200)
    if read_first:
        await market.sweep()
    await now_at(market, 1.0)
    await refund(market, escrow)
    await market.settle()

    await assert_nothing_left(market)
    (debt,) = await receivables(market)
    assert debt.state == refund_pb.RECEIVABLE_STATE_SETTLED
    assert await book(market) == {
        ("balance", "EUR"): -800,
        ("external", "EUR"): 2_000,
        ("owner", "EUR"): -1_200,
    }
    found = await market.find_payee(payee)
    (euro,) = [b for b in found.balances if b.connected.currency == "EUR"]
    assert (euro.connected.amount_minor, euro.available.amount_minor) == (-800, 0)


async def test_what_was_paid_out_is_taken_of_what_others_paid_in(market: Marketplace) -> None:
    """The same in one currency: the payee was paid out, and has money of another's."""
    await stocked(market)
    payee = await market.paid_payee()
    await market.pay_out(payee, 8_000)
    await pay_in(market, payee, 9_000)
    (escrow,) = (await market.service.escrows.ListEscrows(pb.ListEscrowsRequest())).escrows
    await refund(market, escrow)
    await market.settle()
    await market.sweep()

    assert await book(market) == {
        ("balance", "USD"): -8_000,
        ("external", "USD"): 9_000,
        ("in_transit", "USD"): 8_000,
        ("owner", "USD"): -9_000,
    }
    await assert_books_hold(market)
    await assert_same_as_stripe(market)


async def test_more_than_the_account_holds_is_owed(market: Marketplace) -> None:
    """88.00 USD at 1.00 are more than the 80.00 EUR of the account: Stripe refuses, nothing moves.
    It comes back on a better day.
    """
    escrow, _ = await transferred(market)
    await market.sweep()
    await now_at(market, 1.0)
    await refund(market, escrow)
    await market.settle()
    (debt,) = await receivables(market)
    assert (debt.state, debt.owed.amount_minor) == (refund_pb.RECEIVABLE_STATE_OWED, 8_000)
    assert await book(market) == {("balance", "EUR"): 8_000, ("owner", "EUR"): -8_000}
    await assert_books_hold(market)

    await now_at(market, 1.1)
    await market.owner.execute("UPDATE receivables SET recover_at = now()")
    await market.settle()
    await assert_nothing_left(market)
    assert await book(market) == {}


async def test_of_an_account_that_cannot_be_read_any_more(market: Marketplace) -> None:
    """The platform's side is booked all the same."""
    escrow, payee = await transferred(market)
    await market.deauthorize(payee)
    await refund(market, escrow, 5_000)
    await market.settle()
    await market.sweep()

    (debt,) = await receivables(market)
    assert debt.state == refund_pb.RECEIVABLE_STATE_SETTLED
    assert await book(market) == {("balance", "USD"): 4_400, ("owner", "USD"): -4_400}
    assert (await verify_books(market.running.runtime.pool)).clean
    platform, account = await market.compare()
    assert (platform.clean, account.clean, account.access_removed) == (True, True, True)


async def test_of_an_account_that_was_read_and_then_lost(market: Marketplace) -> None:
    """What it gave back in EUR nobody can tell us: its USD stay below zero."""
    escrow, payee = await transferred(market)
    await market.sweep()
    await market.deauthorize(payee)
    await refund(market, escrow, 5_000)
    await market.settle()
    await market.sweep()

    assert (await book(market))["balance", "USD"] == -4_400
    assert (await market.read(escrow)).milestones[0].refunded.amount_minor == 5_000
    assert (await verify_books(market.running.runtime.pool)).clean
    platform, account = await market.compare()
    assert (platform.clean, account.clean, account.access_removed) == (True, True, True)


async def test_what_the_books_cannot_take_is_shown_to_a_person(market: Marketplace) -> None:
    """Nothing is tried again in silence, and the reversal is made once."""
    escrow, _ = await transferred(market)
    await refund(market, escrow, 5_000)
    # What no release of ours should do: its postings break a rule of the schema.
    await market.owner.execute(
        "ALTER TABLE balances ADD CONSTRAINT balances_not_negative_1 CHECK"
        " (account NOT LIKE 'conn:%' OR change_minor > 0)"
    )
    try:
        await market.settle()
        request = op.ListEffectsRequest(filter=op.EFFECT_FILTER_NEEDS_PERSON)
        (effect,) = (await market.operator.operators.ListEffects(request)).effects
        assert (effect.kind, effect.state) == ("reverse_transfer", op.EFFECT_STATE_UNKNOWN)
    finally:
        await market.owner.execute("ALTER TABLE balances DROP CONSTRAINT balances_not_negative_1")
    await market.patience()
    await assert_nothing_left(market)
    (transfer,) = await market.sandbox.objects(TRANSFERS)
    assert transfer["amount_reversed"] == 4_400
