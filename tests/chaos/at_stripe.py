"""Customers, payees and banks, who act at Stripe, which may well refuse."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

RETURN_URL = "https://shop.example/thanks"
CARDS = (
    *["pm_card_bypassPending"] * 8,  # available at once
    *["pm_card_visa"] * 2,  # available after two days
    "pm_card_visa_chargeDeclined",
    "pm_card_visa_chargeDeclinedInsufficientFunds",
    *["pm_card_authenticationRequired"] * 2,
    "pm_card_threeDSecureRequiredChargeDeclined",
    "pm_card_createIssuerFraudRecord",  # paid, and the bank warns of it
    "pm_card_refundFail",  # paid, and a refund of it comes back
    *["pm_card_pendingRefund"] * 2,
)
FAILING_BANK = "000111111116"


async def pay(deal: Deal, rng: random.Random) -> None:
    await pay_by(deal, rng, deal.chargebacks.cards(rng, CARDS))


async def pay_by(deal: Deal, rng: random.Random, cards: Sequence[str]) -> None:
    """One of the cards pays what is open."""
    if not deal.payments:
        return
    payment = rng.choice(deal.open_payments() or deal.payments)
    if payment.method == pb.PAYMENT_METHOD_CHECKOUT:
        session = payment.checkout_url.rpartition("/")[2]
        await deal.at_stripe(
            f"checkout/sessions/{session}/pay",
            payment_method=rng.choice(cards),
            email="ann@example.com",
        )
    elif payment.state == pb.PAYMENT_STATE_REQUIRES_ACTION:
        await deal.at_stripe(
            f"payment_intents/{payment.stripe_payment_intent}/authenticate",
            succeeds=rng.random() < 0.8,
        )
    else:
        await deal.at_stripe(
            f"payment_intents/{payment.stripe_payment_intent}/pay",
            payment_method=rng.choice(cards),
            return_url=RETURN_URL,
        )
    if rng.random() < 0.7:  # the marketplace's page asks at once, or waits for the event
        await deal.look(rng)


async def onboard(deal: Deal, rng: random.Random) -> None:
    details = {"account_number": FAILING_BANK} if rng.random() < 0.1 else {}
    await deal.at_stripe(f"accounts/{deal.payee.stripe_account}/onboard", **details)
    await deal.currencies.add_bank(rng, deal.sandbox, deal.payee.stripe_account)
    deal.onboarded = True
    await deal.read_payee()


async def restrict(deal: Deal, rng: random.Random) -> None:
    lifted = rng.random() < 0.5
    await deal.at_stripe(f"accounts/{deal.payee.stripe_account}/restrict", lifted=lifted)


async def bank(deal: Deal, rng: random.Random) -> None:
    """The bank takes a payout, or sends it back, maybe days after it was taken."""
    if not deal.payouts:
        return
    request = party.GetPayoutRequest(payout_id=rng.choice(deal.payouts).id)
    answer = await deal.caller.read("GetPayout", request)
    if answer is not None and answer.payout.stripe_payout:
        verb = rng.choice(["pay", "pay", "fail"])
        await deal.at_stripe(f"payouts/{answer.payout.stripe_payout}/{verb}")
