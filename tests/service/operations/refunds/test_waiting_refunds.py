"""A refund for which Stripe needs the payer's bank details: paid in the end, or canceled; whoever
tells of it, in whatever order, however often, or never.
"""

import itertools
from uuid import uuid4

import pytest

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund_pb
from tests.service.movements.strangers import charge_of, dispute, lift
from tests.service.movements.test_currencies import assert_books_hold
from tests.service.operations.marketplace import Event, Marketplace, usd
from tests.service.operations.refunds.money import (
    assert_done,
    platform,
    read_refund,
    receivables,
    refund,
    stocked,
)
from tests.service.operations.refunds.test_failed_refunds import PENDS, funded_by, resolve

SUCCEEDED, FAILED = refund_pb.REFUND_STATE_SUCCEEDED, refund_pb.REFUND_STATE_FAILED
WAITS = refund_pb.REFUND_STATE_REQUIRES_ACTION
TAKEN = ("refund_confirmed", {"liab:refunds_in_flight": 10_500, "asset:stripe": -10_500})
RETURNED = ("refund_failed", {"asset:stripe": 10_500, "liab:refunds_in_flight": -10_500})


async def at_stripe(market: Marketplace, asked: refund_pb.Refund, *verbs: str) -> None:
    """Stripe, the payer or their bank does this to the refund."""
    refund_id = (await read_refund(market, asked)).stripe_refund
    for verb in verbs:
        await market.sandbox.control(f"refunds/{refund_id}/{verb}")


async def pending(market: Marketplace, escrow: pb.Escrow) -> refund_pb.Refund:
    """Known to Stripe and to us; it has moved nothing."""
    asked = await refund(market, escrow)
    await market.effects.run_once()
    await market.settle()
    return asked


async def waiting(market: Marketplace, escrow: pb.Escrow) -> refund_pb.Refund:
    asked = await pending(market, escrow)
    await at_stripe(market, asked, "require_action")
    await market.settle()
    now = await read_refund(market, asked)
    assert now.state == WAITS
    assert "bank details" in now.waiting_for
    return asked


async def test_the_payer_gives_their_bank_details(market: Marketplace) -> None:
    """Stripe has taken the money by then; the escrow ends when the payer has it."""
    escrow = await funded_by(market, PENDS)
    asked = await waiting(market, escrow)
    assert (await market.books(escrow))[-1] == TAKEN
    assert (await market.read(escrow)).milestones[0].state == pb.MILESTONE_STATE_REFUNDING

    await at_stripe(market, asked, "succeed")
    await market.settle()

    assert (await read_refund(market, asked)).state == SUCCEEDED
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_REFUNDED
    assert [kind for kind, _ in await market.books(escrow)].count("refund_confirmed") == 1
    await assert_done(market)


async def test_nothing_is_called_back_from_the_payee_before(market: Marketplace) -> None:
    """The payer may never answer; then the payee keeps what they have."""
    escrow = await funded_by(market, PENDS)
    await market.accept(await market.deliver(escrow))
    await market.settle()
    asked = await waiting_at_once(market, await market.read(escrow))
    (debt,) = await receivables(market)
    assert (debt.owed, debt.reversed) == (usd(8_000), usd(0))

    await at_stripe(market, asked, "succeed")
    await market.settle()

    (debt,) = await receivables(market)
    assert (debt.owed, debt.reversed) in [(usd(0), usd(8_000)), (usd(8_000), usd(0))]
    assert debt.reversed == usd(8_000) or debt.refusal_code == "balance_insufficient"


async def waiting_at_once(market: Marketplace, escrow: pb.Escrow) -> refund_pb.Refund:
    """Our first word of it is that it waits for bank details."""
    asked = await refund(market, escrow)
    await market.sandbox.fail_next("/v1/refunds", "cut_after_effect", times=3)
    await market.effects.run_once()
    (made,) = await market.sandbox.objects("/v1/refunds")
    await market.sandbox.control(f"refunds/{made['id']}/require_action")
    await market.settle()
    assert (await read_refund(market, asked)).state == WAITS
    return asked


@pytest.mark.parametrize("by_us", [False, True])
async def test_canceled_it_is_owed_to_the_payer(market: Marketplace, by_us: bool) -> None:
    """By somebody in the dashboard, or because the payer never answered."""
    escrow = await funded_by(market, PENDS)
    asked = await waiting(market, escrow)

    if by_us:
        refund_id = (await read_refund(market, asked)).stripe_refund
        await market.sandbox.stripe(f"/v1/refunds/{refund_id}/cancel")
    else:
        await at_stripe(market, asked, "cancel")
    await market.settle()

    now = await read_refund(market, asked)
    assert (now.state, now.failure_code) == (FAILED, "merchant_request" if by_us else "canceled")
    assert "ResolveRefund" in now.waiting_for
    assert (await market.books(escrow))[-2:] == [TAKEN, RETURNED]
    assert (await market.read(escrow)).milestones[0].state == pb.MILESTONE_STATE_REFUNDING
    assert await platform(market, "liab:refunds_in_flight") == -10_500


@pytest.mark.parametrize("paid", [False, True])
@pytest.mark.parametrize(
    ("resolution", "ends"),
    [
        ("SEND_AGAIN", pb.MILESTONE_STATE_REFUNDED),
        ("PUT_BACK", pb.MILESTONE_STATE_FUNDED),
        ("PAID_OUTSIDE", pb.MILESTONE_STATE_REFUNDED),
    ],
)
async def test_what_was_canceled_is_resolved(
    market: Marketplace, resolution: str, ends: pb.MilestoneState.ValueType, paid: bool
) -> None:
    """Whether it had taken the money before it was canceled, or failed without."""
    escrow = await funded_by(market, PENDS)
    asked = await (waiting if paid else pending)(market, escrow)
    await at_stripe(market, asked, "cancel" if paid else "fail")
    await market.settle()
    assert (await read_refund(market, asked)).state == FAILED

    await resolve(market, asked, resolution)
    await market.settle()
    await market.sandbox.advance(120)
    await market.settle()

    assert (await market.read(escrow)).milestones[0].state == ends
    refunds = await market.sandbox.objects("/v1/refunds")
    paid_minor = sum(each["amount"] for each in refunds if each["status"] == "succeeded")
    assert paid_minor == (10_500 if resolution == "SEND_AGAIN" else 0)
    await assert_done(market)


STORIES = {
    "paid": (["require_action", "succeed"], SUCCEEDED),
    "canceled": (["require_action", "cancel"], FAILED),
    "fails": (["fail"], FAILED),
    "sent back": (["succeed", "fail"], FAILED),
}


@pytest.mark.parametrize("name", STORIES)
async def test_every_order_reaches_the_same_books(market: Marketplace, name: str) -> None:
    """Of all events of a refund, each told twice, then as twins, the last one first."""
    verbs, ends = STORIES[name]
    told: list[list[Event]] = []
    escrows = []
    orders = list(itertools.permutations(range(3)))
    for _ in orders:
        escrow = await funded_by(market, PENDS)
        asked = await pending(market, escrow)
        await at_stripe(market, asked, *verbs)
        events = [e for e in await market.news() if e["type"].startswith("refund.")]
        told.append((events + [created(events[0])] * 3)[:3])
        market.told |= {each["id"] for each in await market.news()}
        escrows.append((escrow, asked))
    for events, order in zip(told, orders, strict=True):
        once = [events[place] for place in order]
        for event in [*once, *(each | {"id": f"evt_{uuid4().hex}"} for each in reversed(once))]:
            await market.tell(event)
            await market.work()
    for escrow, asked in escrows:
        assert (await read_refund(market, asked)).state == ends
        assert (await market.read(escrow)).milestones[0].frozen == usd(0)
    kinds = [kind for kind, _ in await market.books()]
    moved = len(orders) if name != "fails" else 0
    assert kinds.count("refund_confirmed") == moved
    assert kinds.count("refund_failed") == (moved if ends == FAILED else 0)
    assert kinds.count("refunded_from_held") == len(orders)


def created(event: Event) -> Event:
    """What Stripe had told first: it is told late."""
    refund_then = event["data"]["object"] | {"status": "pending", "balance_transaction": None}
    return event | {
        "id": f"evt_{uuid4().hex}",
        "type": "refund.created",
        "data": {"object": refund_then},
    }


@pytest.mark.parametrize("name", ["paid", "canceled", "sent back"])
async def test_what_nobody_tells_is_found(market: Marketplace, name: str) -> None:
    """Neither an answer nor an event comes; both movements of the balance are swept."""
    verbs, ends = STORIES[name]
    escrow = await funded_by(market, PENDS)
    asked = await refund(market, escrow)
    await market.sandbox.fail_next("/v1/refunds", "cut_after_effect", times=3)
    await market.effects.run_once()
    (made,) = await market.sandbox.objects("/v1/refunds")
    for verb in verbs:
        await market.sandbox.control(f"refunds/{made['id']}/{verb}")

    await market.sweep()

    assert (await read_refund(market, asked)).state == ends
    assert (await market.read(escrow)).milestones[0].frozen == usd(0)
    kinds = [kind for kind, _ in await market.books(escrow)]
    assert kinds.count("refund_confirmed") == 1
    assert kinds.count("refund_failed") == (ends == FAILED)


async def test_a_dispute_fails_what_is_pending(market: Marketplace) -> None:
    """Stripe fails it, for the bank has taken the money. Nobody can send it again."""
    escrow = await funded_by(market, PENDS)
    asked = await pending(market, escrow)
    await dispute(market, await charge_of(market, escrow), amount=10_500)
    await market.settle()
    now = await read_refund(market, asked)
    assert (now.state, now.failure_code) == (FAILED, "charge_for_pending_refund_disputed")

    await resolve(market, asked, "SEND_AGAIN")
    await market.settle()
    now = await read_refund(market, asked)
    assert (now.state, now.failure_code) == (FAILED, "charge_disputed")

    await resolve(market, asked, "PUT_BACK")
    await market.settle()
    milestone = (await market.read(escrow)).milestones[0]
    assert (milestone.held, milestone.frozen) == (usd(10_000), usd(10_000))


async def test_what_is_put_back_is_frozen_by_what_threatens_it(market: Marketplace) -> None:
    """Somebody refunds in the dashboard between our request and Stripe's refusal of it."""
    await stocked(market)
    escrow = await market.funded_escrow(payee=await market.new_payee())
    asked = await refund(market, escrow)
    charge = await charge_of(market, escrow)
    await market.sandbox.stripe("/v1/refunds", charge=charge["id"], amount="4200")
    for event in await market.news():
        await market.tell(event)
    await market.inbox.run_once()
    await market.settle()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_REJECTED
    milestone = (await market.read(escrow)).milestones[0]
    assert (milestone.held, milestone.frozen) == (usd(10_000), usd(4_200))


async def test_refused_while_the_transfer_is_under_way(market: Marketplace) -> None:
    """Stripe refuses first our refund and then the transfer, of which all was to come back."""
    await stocked(market)
    payee = await market.new_payee()
    escrow = await market.deliver(await market.funded_escrow(payee=payee))
    await market.accept(escrow)
    await market.transfers.run_once()
    await market.sandbox.control(f"accounts/{payee.stripe_account}/restrict", silently=True)
    await market.sandbox.fail_next("/v1/transfers", "cut_before_effect", times=3)
    charge = await charge_of(market, escrow)
    made = await market.sandbox.stripe("/v1/refunds", charge=charge["id"])
    asked = await refund(market, escrow)
    await market.effects.run_once()
    await market.effects.run_once()
    assert (await read_refund(market, asked)).state == refund_pb.REFUND_STATE_REJECTED
    await market.patience()
    await market.effects.run_once()
    assert await market.sandbox.objects("/v1/transfers") == []
    await assert_books_hold(market)

    await market.sandbox.control(f"refunds/{made['id']}/fail")
    await market.sandbox.control(f"accounts/{payee.stripe_account}/restrict", lifted=True)
    await market.settle()
    await lift(market, escrow)
    await market.owner.execute("UPDATE releases SET transfer_at = now() - interval '1 s'")
    await market.settle()
    (transfer,) = await market.sandbox.objects("/v1/transfers")
    assert transfer["amount"] == 8_000
    assert (await market.read(escrow)).state == pb.ESCROW_STATE_COMPLETED
    await assert_done(market)
