"""A good morning before a bad day: escrows that are paid already, and a part of it released.

So all day long there is something to give back: held, on its way, with the payee or their bank.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.chaos.at_stripe import onboard, pay_by
from tests.chaos.deal import Deal

PATIENCE_S, POLL_S = 2.0, 0.1
CARDS = (
    *["pm_card_bypassPending"] * 5,
    "pm_card_visa",
    *["pm_card_pendingRefund"] * 2,
    "pm_card_refundFail",
)
READY_SHARE = 0.7  # of the payees; what is released to the others waits
PAID_OUT_SHARE = 0.5  # of the payees: nothing is left that could be called back


async def begin_well(deal: Deal, rng: random.Random) -> None:
    """What does not succeed, because the bad day has begun, is left to the day."""
    await deal.create(rng)
    if not deal.escrow.id:
        return
    if rng.random() < READY_SHARE:
        await onboard(deal, rng)
    await deal.fund(rng)
    await pay_by(deal, rng, CARDS)
    if any(p.state == pb.PAYMENT_STATE_REQUIRES_CAPTURE for p in deal.payments):
        await deal.capture(rng)
    await _until(deal, rng, lambda: any(m.held.amount_minor for m in deal.escrow.milestones))
    for _ in range(rng.randint(0, 2)):
        await deal.release(rng)
    if any(m.released.amount_minor for m in deal.escrow.milestones):
        if deal.onboarded:
            await _until(deal, rng, lambda: bool(deal.balances))
        if rng.random() < PAID_OUT_SHARE:
            await pay_out_everything(deal, rng)


async def pay_out_everything(deal: Deal, rng: random.Random) -> None:
    for amount in deal.balances:
        request = party.RequestPayoutRequest(payee_id=deal.payee.id, amount=amount)
        await deal.want("RequestPayout", "payee", request, rng)


async def _until(deal: Deal, rng: random.Random, seen: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not seen() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(POLL_S)
        await deal.look(rng)
        await deal.read_payee()
