"""AdoptReversal: a transfer that somebody reversed in the dashboard, and what that was for."""

import asyncio

import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as op
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.strangers import lift
from tests.service.operations.escrows.split import share, split_escrow
from tests.service.operations.marketplace import Marketplace, usd
from tests.service.operations.refunds.money import (
    assert_done,
    balances,
    platform,
    read_refund,
    receivables,
    refund,
    stocked,
    transferred,
)
from tests.service.operations.refunds.reversals import (
    adopt,
    freeze_of,
    lines,
    request,
    reverse,
    transfers,
)
from tests.service.operations.transfers import TRANSFERS, TRIES

UNEXPLAINED = (
    "SELECT coalesce(sum(balance_minor), 0) FROM balances WHERE account LIKE 'liab:unexplained:%'"
)


async def assert_explained(market: Marketplace) -> None:
    """Nothing is unexplained or frozen, and the payee's accounts are theirs by our doing alone."""
    await assert_done(market)
    assert await market.owner.fetchval(UNEXPLAINED) == 0
    assert await market.owner.fetch("SELECT source FROM freezes WHERE state = 'OPEN'") == []
    outside = "SELECT sum(amount_minor) FROM entries WHERE account LIKE 'conn:%:external'"
    assert not await market.owner.fetchval(outside)


async def refund_although_frozen(
    market: Marketplace, escrow: pb.Escrow, amount_minor: int | None = None
) -> refund_pb.Refund:
    """An operator looks at what is frozen, lifts it, and the payer is refunded."""
    await lift(market, escrow)
    asked = await refund(market, escrow, amount_minor)
    await market.settle()
    return asked


async def test_for_the_debt(market: Marketplace) -> None:
    """Refunded to the payer, and reversed in the dashboard before our own reversal could be: the
    same lines as row 12, but that the money had been unexplained.
    """
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market)
    await refund_although_frozen(market, escrow)
    (debt,) = await receivables(market)
    assert (debt.owed, debt.reversed, debt.refusal_code) == (
        usd(8_000),
        usd(0),
        "reversed_at_stripe",
    )
    assert not debt.HasField("retry_time")

    async with market.unchanged():
        planned = await adopt(market, escrow, made, "FOR_DEBT", dry=True)
    adopted = await adopt(market, escrow, made, "FOR_DEBT")

    assert planned == adopted
    assert (adopted.taken, adopted.share, adopted.left) == (usd(8_000), usd(8_000), usd(0))
    assert adopted.payee_id == escrow.payee_id
    assert adopted.stripe_reversal == made["id"]
    assert await lines(market, "reversal_explained") == [
        ("liab:unexplained:*", "USD", 8_000),
        ("conn:*:owner", "USD", 8_000),
        ("asset:receivable:payee:*", "USD", -8_000),
        ("conn:*:balance", "USD", -8_000),
    ]
    # The payee's account had shown it as their own doing.
    assert await lines(market, "external_took_recognized") == [
        ("conn:*:external", "USD", 8_000),
        ("conn:*:owner", "USD", -8_000),
    ]
    (debt,) = await receivables(market)
    assert (debt.state, debt.reversed) == (refund_pb.RECEIVABLE_STATE_SETTLED, usd(8_000))
    await assert_explained(market)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    (transfer,) = await transfers(market)
    assert [each["id"] for each in transfer["reversals"]["data"]] == [made["id"]]


async def test_it_is_the_payees_again(market: Marketplace) -> None:
    """Reversed by mistake: the payee is sent it once more, once."""
    await stocked(market)
    payee = await market.new_payee()
    escrow = await transferred(market, payee=payee)
    made = await reverse(market)

    adopted = await adopt(market, escrow, made, "GIVE_BACK")

    assert (adopted.taken, adopted.share, adopted.left) == (usd(8_000), usd(8_000), usd(0))
    assert (await market.read(escrow)).milestones[0].state == pb.MILESTONE_STATE_RELEASING
    assert await lines(market, "given_back") == [
        ("liab:unexplained:*", "USD", 8_000),
        ("conn:*:owner", "USD", 8_000),
        ("liab:payee:*:payable", "USD", -8_000),
        ("conn:*:balance", "USD", -8_000),
    ]
    await assert_explained(market)
    done = await market.read(escrow)
    assert done.state == pb.ESCROW_STATE_COMPLETED
    assert [each["amount"] for each in await transfers(market)] == [8_000, 8_000]
    (balance,) = await balances(market, payee)
    assert (balance.connected, balance.payable, balance.receivable) == (
        usd(8_000),
        usd(0),
        usd(0),
    )
    # And it is refunded as any other: from the transfer that stands.
    await refund(market, escrow)
    await assert_explained(market)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    assert [t["amount"] - t["amount_reversed"] for t in await transfers(market)] == [0, 0]


@pytest.mark.parametrize("amount_minor", [1, 2, 3_333, 7_999])
async def test_a_part_is_the_payees_again(market: Marketplace, amount_minor: int) -> None:
    """Whatever was reversed: price and fees add up, also when all is refunded afterwards."""
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market, amount_minor)

    assert (await adopt(market, escrow, made, "GIVE_BACK")).share == usd(amount_minor)
    await assert_explained(market)

    (fees,) = await market.owner.fetch(
        "SELECT sum(amount_minor - payee_share_minor) AS payee, sum(payer_fee_minor) AS payer"
        " FROM releases"
    )
    assert (fees["payee"], fees["payer"]) == (2_000, 500)
    await refund(market, escrow, 3_001)
    await assert_explained(market)
    await refund(market, escrow)
    await assert_explained(market)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    assert await platform(market, "rev:service_fee") == 0
    assert await platform(market, "rev:platform_fee") == 0


async def test_our_own_reversal_asks_for_no_more_than_there_is(market: Marketplace) -> None:
    """A part was reversed in the dashboard; Stripe would refuse to reverse all, for ever."""
    await stocked(market)
    payee = await market.new_payee()
    escrow = await transferred(market, payee=payee)
    made = await reverse(market, 3_000)
    await refund_although_frozen(market, escrow)

    (transfer,) = await transfers(market)
    assert [each["amount"] for each in transfer["reversals"]["data"]] == [5_000, 3_000]
    (debt,) = await receivables(market)
    assert (debt.owed, debt.reversed) == (usd(3_000), usd(5_000))
    # What has come back is not taken of what the payee gets next.
    await transferred(market, payee=payee)
    (debt,) = await receivables(market)
    assert (debt.owed, debt.netted) == (usd(3_000), usd(0))

    adopted = await adopt(market, escrow, made, "FOR_DEBT")

    assert (adopted.taken, adopted.left) == (usd(3_000), usd(0))
    assert await lines(market, "reversal_explained") == [
        ("liab:unexplained:*", "USD", 3_000),
        ("conn:*:owner", "USD", 3_000),
        ("asset:receivable:payee:*", "USD", -3_000),
        ("conn:*:balance", "USD", -3_000),
    ]
    await assert_explained(market)


async def test_what_is_above_the_debt_waits_for_another_word(market: Marketplace) -> None:
    """Half was refunded, and all was reversed: the rest is the payee's, if an operator says so."""
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market)
    await refund_although_frozen(market, escrow, 5_000)

    adopted = await adopt(market, escrow, made, "FOR_DEBT")
    assert (adopted.taken, adopted.share, adopted.left) == (usd(4_000), usd(4_000), usd(4_000))
    await market.settle()
    async with market.refuses("NOTHING_OWED"):
        await adopt(market, escrow, made, "FOR_DEBT")
    async with market.refuses("REVERSAL_CLAIMED"):
        await adopt(market, escrow, made, "KEEP")

    rest = await adopt(market, escrow, made, "GIVE_BACK")

    assert (rest.taken, rest.left) == (usd(4_000), usd(0))
    await assert_explained(market)
    async with market.refuses("WRONG_STATE"):
        await adopt(market, escrow, made, "GIVE_BACK")
    assert [t["amount"] - t["amount_reversed"] for t in await transfers(market)] == [0, 4_000]


async def test_the_freeze_stays_while_a_part_is_unexplained(market: Marketplace) -> None:
    """The payee's account was empty when we asked it, and full when somebody looked."""
    await stocked(market)
    payee = await market.new_payee()
    escrow = await transferred(market, payee=payee)
    await market.pay_out(payee, 8_000)
    await refund(market, escrow, 5_000)
    await market.settle()
    (debt,) = await receivables(market)
    assert (debt.owed, debt.refusal_code) == (usd(4_000), "balance_insufficient")
    filled = {"destination": payee.stripe_account, "amount": "9000", "currency": "usd"}
    await market.sandbox.stripe(TRANSFERS, **filled)
    made = await reverse(market)

    await adopt(market, escrow, made, "FOR_DEBT")
    assert (await receivables(market))[0].state == refund_pb.RECEIVABLE_STATE_SETTLED
    frozen = (await market.read(escrow)).milestones[0].freezes
    assert [each.source for each in frozen] == [made["id"]]
    await adopt(market, escrow, made, "GIVE_BACK")

    await assert_done(market)
    assert not (await market.read(escrow)).milestones[0].freezes
    assert await market.owner.fetchval(UNEXPLAINED) == 0
    assert await market.balance(f"conn:{payee.stripe_account}:balance") == -4_000


async def test_several_of_one_transfer(market: Marketplace) -> None:
    """Each was for something else, also after a reversal of our own."""
    await stocked(market)
    escrow = await transferred(market)
    await refund(market, escrow, 2_000)
    await market.settle()  # ours: 16.00
    mistake, debt = await reverse(market, 1_001), await reverse(market, 2_500)
    # 32.00 are owed; Stripe can give 28.99 more.
    await refund_although_frozen(market, escrow, 4_000)
    assert [d.owed for d in await receivables(market, "state = OWED")] == [usd(301)]

    assert (await adopt(market, escrow, debt, "FOR_DEBT")).left == usd(2_199)
    assert (await adopt(market, escrow, mistake, "GIVE_BACK")).left == usd(0)
    assert (await adopt(market, escrow, debt, "GIVE_BACK")).left == usd(0)

    await assert_explained(market)
    first, *again = [t["amount"] - t["amount_reversed"] for t in await transfers(market)]
    assert (first, sum(again)) == (0, 3_200)
    await refund(market, escrow)
    await assert_explained(market)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED


async def test_while_our_own_is_under_way(market: Marketplace) -> None:
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market, 1_000)
    await market.sandbox.fail_next(f"{TRANSFERS}/", "cut_after_effect", method="POST", times=TRIES)
    await refund_although_frozen(market, escrow)
    async with market.refuses("REVERSAL_UNDER_WAY"):
        await adopt(market, escrow, made, "FOR_DEBT")


async def test_after_the_debt_was_given_up_the_platform_keeps_it(market: Marketplace) -> None:
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market)
    await refund_although_frozen(market, escrow)
    (debt,) = await receivables(market)
    operator = market.client("operator", role="operator")
    given_up = refund_pb.WriteOffReceivableRequest(
        request_id=new_request_id(), receivable_id=debt.id, reason="They are gone."
    )
    await operator.refunds.WriteOffReceivable(given_up)
    async with market.refuses("NOTHING_OWED"):
        await adopt(market, escrow, made, "FOR_DEBT")
    async with market.refuses("NOTHING_OF_PAYEE"):
        await adopt(market, escrow, made, "GIVE_BACK")

    await adopt(market, escrow, made, "KEEP")

    assert await lines(market, "reversal_kept") == [
        ("liab:unexplained:*", "USD", 8_000),
        ("conn:*:owner", "USD", 8_000),
        ("eq:platform_capital", "USD", -8_000),
        ("conn:*:balance", "USD", -8_000),
    ]
    await assert_explained(market)


async def test_a_refund_that_failed_gives_back_what_the_dashboard_took(
    market: Marketplace,
) -> None:
    """The reversal was for a debt that is none any more: it is the payee's again."""
    await stocked(market)
    escrow = await market.new_escrow(payee=await market.new_payee())
    await market.pay(await market.fund(escrow), "pm_card_refundFail")
    await market.settle()
    await market.accept(await market.deliver(escrow))
    await market.settle()
    made = await reverse(market, 3_000)
    asked = await refund_although_frozen(market, escrow)
    await adopt(market, escrow, made, "FOR_DEBT")
    await market.sandbox.advance(120)
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_FAILED
    back = refund_pb.ResolveRefundRequest(
        request_id=new_request_id(),
        refund_id=asked.id,
        resolution=refund_pb.REFUND_RESOLUTION_PUT_BACK,
        reason="Their bank said so.",
    )
    await market.client("operator", role="operator").refunds.ResolveRefund(back)
    await assert_explained(market)
    assert sum(t["amount"] - t["amount_reversed"] for t in await transfers(market)) == 8_000


async def test_of_one_of_several_payees(market: Marketplace) -> None:
    """Each gives back, or is given back, what is of their own transfer."""
    await stocked(market)
    ann, bob, eve = [await market.new_payee() for _ in range(3)]
    shares = [share(ann), share(bob, basis=1_000), share(eve, of=2_500)]
    escrow = await split_escrow(market, shares)
    await market.accept(escrow)
    await assert_done(market)
    sent = {t["destination"]: n + 1 for n, t in enumerate(await transfers(market))}
    of_bob = await reverse(market, number=sent[bob.stripe_account])
    of_eve = await reverse(market, 500, number=sent[eve.stripe_account])
    await refund_although_frozen(market, escrow, 5_000)

    for_debt = await adopt(market, escrow, of_bob, "FOR_DEBT")
    given = await adopt(market, escrow, of_bob, "GIVE_BACK")
    mistake = await adopt(market, escrow, of_eve, "GIVE_BACK")

    assert (for_debt.payee_id, given.payee_id, mistake.payee_id) == (bob.id, bob.id, eve.id)
    assert (for_debt.share, given.share, mistake.share) == (usd(400), usd(400), usd(500))
    await assert_explained(market)
    for payee, minor in ((ann, 2_600), (bob, 400), (eve, 1_000)):
        assert await market.balance(f"conn:{payee.stripe_account}:balance") == minor
    await refund(market, escrow)
    await assert_explained(market)
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED


async def test_by_a_freeze_that_was_lifted(market: Marketplace) -> None:
    """As decision 37 had advised."""
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market)
    await lift(market, escrow)
    await adopt(market, escrow, made, "GIVE_BACK")
    await assert_explained(market)


async def test_before_the_sweep(market: Marketplace) -> None:
    """The event came, and the money is not booked yet."""
    await stocked(market)
    escrow = await transferred(market)
    (transfer,) = await transfers(market)
    made = await market.sandbox.stripe(f"/v1/transfers/{transfer['id']}/reversals")
    await market.settle()
    async with market.refuses("REVERSAL_NOT_BOOKED"):
        await adopt(market, escrow, made, "GIVE_BACK")
    await market.sweep()
    await adopt(market, escrow, made, "GIVE_BACK")
    await assert_explained(market)


async def test_a_hundred_at_once_adopt_it_once(market: Marketplace) -> None:
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market)
    freeze_id = await freeze_of(market, made)
    operator = market.client("operator", role="operator")
    asked = [request(escrow, freeze_id, "GIVE_BACK") for _ in range(50)]

    answers = await asyncio.gather(
        *(operator.refunds.AdoptReversal(each) for each in [*asked, *[asked[0]] * 50]),
        return_exceptions=True,
    )

    done = [a for a in answers if isinstance(a, refund_pb.AdoptReversalResponse)]
    assert done
    assert all(each == done[0] for each in done)
    assert len(await market.owner.fetch("SELECT 1 FROM journals WHERE kind = 'given_back'")) == 1
    await assert_explained(market)
    assert [each["amount"] for each in await transfers(market)] == [8_000, 8_000]


async def test_what_is_no_reversal_is_not_adopted(market: Marketplace) -> None:
    await stocked(market)
    escrow = await market.funded_escrow()
    place = pb.PlaceFreezeRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        freeze_reason=pb.FREEZE_REASON_RISK,
        reason="Look at it.",
    )
    operator = market.client("operator", role="operator")
    frozen = (await operator.escrows.PlaceFreeze(place)).escrow
    (freeze,) = frozen.milestones[0].freezes
    async with market.refuses("FREEZE_OF_OTHER"):
        await operator.refunds.AdoptReversal(request(escrow, freeze.id, "GIVE_BACK"))
    async with market.refuses("INVALID_FIELD"):
        await operator.refunds.AdoptReversal(request(escrow, freeze.id, "UNSPECIFIED"))


async def test_what_it_moved_is_listed_until_then(market: Marketplace) -> None:
    await stocked(market)
    escrow = await transferred(market)
    made = await reverse(market)
    operator = market.client("operator", role="operator")

    async def listed() -> list[str]:
        answer = await operator.operators.ListSuspense(op.ListSuspenseRequest())
        return [item.escrow_id for item in answer.suspense]

    assert await listed() == [escrow.id]
    await adopt(market, escrow, made, "GIVE_BACK")
    assert await listed() == []
