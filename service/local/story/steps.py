"""What happens in every escrow of the story: agree, pay, settle, deliver, accept."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as escrows
from escrow.v1 import party_service_pb2 as parties
from escrow.v1.money_pb2 import Money
from service.domain.money import format_minor
from service.domain.postings import JournalKind
from service.local.story.hosted_pages import HostedPages
from service.local.story.stage import Stage
from service.local.story.stuck import until
from service.store.journals import JournalRecord

CURRENCY = "USD"


class Steps:
    """One payer and one payee, and what they do with an escrow; each step is printed when done."""

    def __init__(self, stage: Stage, pages: HostedPages) -> None:
        self.narrator = stage.narrator
        self.journals = stage.journals
        self.pages = pages
        self.escrows = stage.client.escrows
        self.parties = stage.client.parties
        self.as_payer = stage.client.acting("payer").escrows
        self.as_payee = stage.client.acting("payee").escrows
        self.payee_refunds = stage.client.acting("payee").refunds
        self.payee_parties = stage.client.acting("payee").parties
        self.name = f"{datetime.now(UTC):%y%m%d}-{secrets.token_hex(3)}"
        self.payer = parties.Payer()
        self.payee = parties.Payee()

    async def agree(self, what: str, *milestones: tuple[str, int]) -> escrows.Escrow:
        titles = ", ".join(f"{title} {plain(amount_minor)}" for title, amount_minor in milestones)
        with self.narrator.step(f"Agreed: {titles}") as step:
            answer = await self.escrows.CreateEscrow(
                escrows.CreateEscrowRequest(
                    request_id=new_request_id(),
                    reference=f"{what}-{self.name}",
                    payer_id=self.payer.id,
                    payee_id=self.payee.id,
                    currency=CURRENCY,
                    milestones=[
                        escrows.MilestoneInput(title=title, amount_minor=amount_minor)
                        for title, amount_minor in milestones
                    ],
                )
            )
            quote = answer.escrow.quote
            payer_minor, payee_minor = (
                quote.payer_total.amount_minor,
                quote.payee_total.amount_minor,
            )
            step.says = f"Ada pays {plain(payer_minor)}, Ben gets {plain(payee_minor)}"
        await self.narrator.pause()
        return answer.escrow

    async def fund(
        self, escrow: escrows.Escrow, method: escrows.PaymentMethod.ValueType
    ) -> escrows.Payment:
        """A payment that the payer can pay."""
        started = await self.as_payer.FundEscrow(
            escrows.FundEscrowRequest(
                request_id=new_request_id(),
                escrow_id=escrow.id,
                method=method,
                return_url=self.pages.paid_url,
            )
        )
        return await until(self._payable(started.payment.id), "a payment at Stripe")

    def _payable(self, payment_id: str) -> Callable[[], Awaitable[escrows.Payment | None]]:
        async def read() -> escrows.Payment | None:
            request = escrows.GetPaymentRequest(payment_id=payment_id)
            payment = (await self.escrows.GetPayment(request)).payment
            return payment if payment.stripe_payment_intent or payment.checkout_url else None

        return read

    async def pay_by_card(self, escrow: escrows.Escrow) -> None:
        with self.narrator.step("Ada pays with 4242 4242 4242 4242") as step:
            payment = await self.fund(escrow, method=escrows.PAYMENT_METHOD_PAYMENT_INTENT)
            await self.pages.pay(payment.stripe_payment_intent)
            step.says = f"{shown(payment.amount)} are held, fee included"
            step.journals = await self.booked(escrow, JournalKind.PAYMENT_SUCCEEDED)
        await self.settle(escrow, payment)

    async def settle(self, escrow: escrows.Escrow, payment: escrows.Payment) -> None:
        with self.narrator.step("Stripe says what it keeps") as step:
            step.journals = await self.booked(escrow, JournalKind.CHARGE_SETTLED)
            request = escrows.GetPaymentRequest(payment_id=payment.id)
            known = (await self.escrows.GetPayment(request)).payment
            step.says = f"{shown(known.processing_fee)} of {shown(payment.amount)}"
        await self.narrator.pause()

    async def deliver(self, escrow: escrows.Escrow, number: int, note: str, says: str = "") -> None:
        milestone = escrow.milestones[number]
        with self.narrator.step(f"Ben delivers: {milestone.title}") as step:
            await self.as_payee.SubmitDelivery(
                escrows.SubmitDeliveryRequest(
                    request_id=new_request_id(),
                    escrow_id=escrow.id,
                    milestone_id=milestone.id,
                    note=note,
                )
            )
            step.says = says or note
        await self.narrator.pause()

    async def accept(self, escrow: escrows.Escrow, number: int) -> None:
        milestone = escrow.milestones[number]
        with self.narrator.step(f"Ada accepts: {milestone.title}") as step:
            await self.as_payer.AcceptDelivery(
                escrows.AcceptDeliveryRequest(
                    request_id=new_request_id(), escrow_id=escrow.id, milestone_id=milestone.id
                )
            )
            step.says = "Ben's now, less the service fee"
            step.journals = await self.booked(
                escrow, JournalKind.RELEASED, JournalKind.TRANSFER_REQUESTED
            )
        await self.narrator.pause()
        with self.narrator.step("Stripe has transferred it to Ben's account") as step:
            step.journals = await self.booked(escrow, JournalKind.TRANSFER_CONFIRMED)
        await self.narrator.pause()

    async def booked(self, escrow: escrows.Escrow, *kinds: JournalKind) -> list[JournalRecord]:
        """The journals of these kinds about the escrow, or about its payee's account at Stripe."""
        return await self.journals.take(*kinds, about={escrow.id, self.payee.stripe_account})

    async def is_completed(self, escrow: escrows.Escrow) -> bool:
        request = escrows.GetEscrowRequest(escrow_id=escrow.id)
        read = (await self.escrows.GetEscrow(request)).escrow
        return read.state == escrows.ESCROW_STATE_COMPLETED


def shown(money: Money) -> str:
    """An amount for a person: "262.50 USD"."""
    return format_minor(money.amount_minor, money.currency)


def plain(amount_minor: int) -> str:
    """An amount in the story's currency, without its name."""
    return format_minor(amount_minor, CURRENCY).removesuffix(f" {CURRENCY}")
