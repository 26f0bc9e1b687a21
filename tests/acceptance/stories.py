"""What is played at each end: scenarios that need nobody at Stripe to turn a control.

The customer acts by Stripe's API with its test cards, as Stripe.js would for them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import pytest
import stripe

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from tests.acceptance.end import End
from tests.scenarios.deal import CARD, RETURN_URL, Deal, open_deal
from tests.scenarios.program import run, until

MANUAL = pb.CAPTURE_STRATEGY_MANUAL
PERSON_S = 900.0  # to fill in Stripe's onboarding page


class DealAtStripe(Deal):
    """A deal whose payer and payee have no controls to turn, only what Stripe gives everybody."""

    end: End

    async def pay(self, card: str = CARD) -> None:
        """Confirms the intent with a test card. Raises CardError when Stripe declines it."""
        await self.end.client.v1.payment_intents.confirm_async(
            self.payment.stripe_payment_intent, {"payment_method": card, "return_url": RETURN_URL}
        )

    async def onboard(self) -> None:
        await self.end.onboard(await self.onboarding_link())

        async def active() -> bool:
            return (await self.find_payee()).state == party.PAYEE_STATE_ACTIVE

        await until(active, "payee who can be paid", PERSON_S)

    async def onboarding_link(self) -> str:
        request = party.CreateOnboardingLinkRequest(
            request_id=new_request_id(),
            payee_id=self.payee.id,
            return_url=RETURN_URL,
            refresh_url=RETURN_URL,
        )
        return (await self.as_payee.parties.CreateOnboardingLink(request)).url


async def _open(
    end: End, account_api: party.AccountApi.ValueType = party.ACCOUNT_API_V2
) -> DealAtStripe:
    deal = await open_deal(end.world, onboarded=False, account_api=account_api, kind=DealAtStripe)
    deal = cast(DealAtStripe, deal)
    deal.end = end
    return deal


async def declined_then_paid(end: End) -> None:
    deal = await _open(end)
    await deal.fund()
    with pytest.raises(stripe.CardError):
        await deal.pay("pm_card_visa_chargeDeclined")
    await deal.pay("pm_card_visa")
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert len(await deal.journals()) == 2


async def authorized_and_captured(end: End) -> None:
    deal = await _open(end)
    await deal.fund(capture=MANUAL)
    await deal.pay("pm_card_visa")
    await deal.until_payment(pb.PAYMENT_STATE_REQUIRES_CAPTURE)
    await deal.capture()
    await deal.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)
    assert len(await deal.journals()) == 2


async def authorized_and_canceled(end: End) -> None:
    deal = await _open(end)
    await deal.fund(capture=MANUAL)
    await deal.pay("pm_card_visa")
    await deal.until_payment(pb.PAYMENT_STATE_REQUIRES_CAPTURE)
    await deal.cancel_payment()
    await deal.until_payment(pb.PAYMENT_STATE_CANCELED)
    assert await deal.journals() == []


async def checkout_opened_and_canceled(end: End) -> None:
    deal = await _open(end)
    await deal.fund(method=pb.PAYMENT_METHOD_CHECKOUT)
    assert deal.payment.checkout_url.startswith("http")
    await deal.cancel_payment()
    await deal.until_payment(pb.PAYMENT_STATE_CANCELED)


async def parties_corrected(end: End) -> None:
    deal = await _open(end)
    payer = party.UpdatePayerRequest(
        request_id=new_request_id(), payer_id=deal.payer.id, name="Ann Newname"
    )
    payee = party.UpdatePayeeRequest(
        request_id=new_request_id(), payee_id=deal.payee.id, email="bob.new@example.com"
    )
    await deal.as_service.parties.UpdatePayer(payer)
    await deal.as_service.parties.UpdatePayee(payee)


async def account_of_v1(end: End) -> None:
    deal = await _open(end, party.ACCOUNT_API_V1)
    assert (await deal.onboarding_link()).startswith("http")


async def paid_released_and_paid_out(end: End) -> None:
    deal = await _open(end)
    await deal.onboard()
    await deal.pay_for()
    await deal.deliver()
    await deal.accept()
    await deal.until_milestone(pb.MILESTONE_STATE_RELEASED)
    await deal.pay_out(8_000)
    await deal.until_payout(party.PAYOUT_STATE_PENDING)
    assert await deal.transfers() == [8_000]


async def books_are_those_of_stripe(end: End) -> None:
    status, said = await run(
        ["service", "verify", "--stripe"], end.world.programs["worker"].environment
    )
    assert status == 0, said


Story = Callable[[End], Awaitable[None]]
STORIES: Mapping[str, Story] = {
    "A declined card, then one that pays": declined_then_paid,
    "A payment that is authorized, then captured": authorized_and_captured,
    "A payment that is authorized, then canceled": authorized_and_canceled,
    "A Checkout page, opened and canceled": checkout_opened_and_canceled,
    "A payer and a payee, corrected": parties_corrected,
    "A connected account of v1": account_of_v1,
    "From a card to the payee's bank": paid_released_and_paid_out,
    "The books are those of Stripe": books_are_those_of_stripe,
}
