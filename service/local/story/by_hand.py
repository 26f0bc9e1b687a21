"""With a real Stripe account only a person can act as the customer: prints what to do, in order."""

from __future__ import annotations

import secrets

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as escrows
from escrow.v1 import party_service_pb2 as parties
from service.local.story.play import Played, play
from service.local.story.stage import Stage
from service.local.story.stuck import failing_as_stuck, until
from service.local.story.things_to_try import Call, ToTry

ELSEWHERE = "https://example.com/"  # where Stripe's pages lead to when they are done


async def play_or_prepare(stage: Stage) -> tuple[Played | None, ToTry]:
    """Plays the story where it can be played, and prepares it for a person where it cannot."""
    if stage.pages is None:
        return None, await prepare_by_hand(stage)
    played = await play(stage)
    return played, played.to_try()


async def prepare_by_hand(stage: Stage) -> ToTry:
    """Makes a payer, a payee and an escrow, prints the pages to open, and says what to call then.

    Raises:
        StoryStuck.
    """
    with failing_as_stuck():
        return await _prepare(stage)


async def _prepare(stage: Stage) -> ToTry:
    client, narrator = stage.client, stage.narrator
    name = secrets.token_hex(4)
    narrator.act("In your Stripe test account")
    with narrator.step("A payer, a payee and an escrow of 50.00 USD") as step:
        payer = await client.parties.CreatePayer(
            parties.CreatePayerRequest(
                request_id=new_request_id(),
                reference=f"ada-{name}",
                name="Ada Lovelace",
                email="ada@example.com",
            )
        )
        payee = await client.parties.CreatePayee(
            parties.CreatePayeeRequest(
                request_id=new_request_id(),
                reference=f"ben-{name}",
                name="Ben Carter",
                email="ben@example.com",
                country="US",
            )
        )
        escrow = await client.escrows.CreateEscrow(
            escrows.CreateEscrowRequest(
                request_id=new_request_id(),
                reference=f"logo-{name}",
                payer_id=payer.payer.id,
                payee_id=payee.payee.id,
                currency="USD",
                milestones=[escrows.MilestoneInput(title="Logo", amount_minor=5_000)],
            )
        )
        step.says = escrow.escrow.id
    link = await client.parties.CreateOnboardingLink(
        parties.CreateOnboardingLinkRequest(
            request_id=new_request_id(),
            payee_id=payee.payee.id,
            return_url=ELSEWHERE,
            refresh_url=ELSEWHERE,
        )
    )
    narrator.ask("Onboard the payee, with Stripe's test data", link.url)
    narrator.ask("Pay with 4242 4242 4242 4242", await _checkout_url(stage, escrow.escrow.id))
    return _calls_after_payment(escrow.escrow)


def _calls_after_payment(escrow: escrows.Escrow) -> ToTry:
    milestone = {"escrow_id": escrow.id, "milestone_id": escrow.milestones[0].id}
    deliver = {"request_id": new_request_id(), **milestone, "note": "https://example.com/logo.svg"}
    accept = {"request_id": new_request_id(), **milestone}
    return ToTry(
        [
            Call("See whether it is paid", "GetEscrow", {"escrow_id": escrow.id}),
            Call("Then deliver, as the payee", "SubmitDelivery", deliver, party="payee"),
            Call("Then accept, as the payer", "AcceptDelivery", accept, party="payer"),
        ]
    )


async def _checkout_url(stage: Stage, escrow_id: str) -> str:
    started = await stage.client.acting("payer").escrows.FundEscrow(
        escrows.FundEscrowRequest(
            request_id=new_request_id(),
            escrow_id=escrow_id,
            method=escrows.PAYMENT_METHOD_CHECKOUT,
            return_url=ELSEWHERE,
        )
    )

    async def read() -> str:
        request = escrows.GetPaymentRequest(payment_id=started.payment.id)
        return (await stage.client.escrows.GetPayment(request)).payment.checkout_url

    return await until(read, "a Checkout page")
