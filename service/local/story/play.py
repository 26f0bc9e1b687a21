"""The story that ``make run`` plays: two escrows from a card to a bank and one partly refunded,
with their journals.

It is played over gRPC with the client package, as a marketplace's own service would call, and on
the sandbox's pages over HTTP, as a payer and a payee would. Every play has people of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as escrows
from escrow.v1 import party_service_pb2 as parties
from escrow.v1 import refund_service_pb2 as refunds
from escrow.v1.money_pb2 import Money
from service.domain.postings import JournalKind
from service.ledger_tables import trial_balance_table
from service.local.story.stage import Stage
from service.local.story.steps import Steps, shown
from service.local.story.stuck import StoryStuck, failing_as_stuck, until
from service.local.story.things_to_try import Call, ToTry
from service.operations.operators.verify_books import verify_books
from service.store.trial_balance import trial_balance

DAYS_UNTIL_AVAILABLE = 2
DAYS_UNTIL_PAID = 4


@dataclass(frozen=True, slots=True)
class Played:
    """What the story leaves behind: something finished, something delivered, something to pay."""

    completed_id: str
    delivered_id: str
    delivered_milestone_id: str
    checkout_url: str
    unpaid_id: str

    def to_try(self) -> ToTry:
        """Calls and a page for the person at the terminal."""
        completed = {"escrow_id": self.completed_id}
        accept = {
            "request_id": new_request_id(),
            "escrow_id": self.delivered_id,
            "milestone_id": self.delivered_milestone_id,
        }
        calls = [
            Call("Read the escrow that went all the way", "GetEscrow", completed),
            Call("Who did what, when and why", "ListTimeline", completed),
            Call(
                "Accept what was delivered, as the payer. Paste it twice: the money moves once",
                "AcceptDelivery",
                accept,
                party="payer",
            ),
        ]
        return ToTry(calls, self.checkout_url)


async def play(stage: Stage) -> Played:
    """Plays all of it. Raises StoryStuck."""
    assert stage.pages is not None  # without a sandbox, `prepare_by_hand` is called instead
    with failing_as_stuck():
        return await _Story(stage, stage.pages).play()


class _Story(Steps):
    """The acts, in their order."""

    async def play(self) -> Played:
        self.narrator.remark(
            "What each step books is shown below it: the number of the posting in "
            "docs/generated/postings.md, then debits, then credits."
        )
        await self.meet()
        logo = await self.one_payment()
        website, build = await self.two_milestones()
        await self.partly_refunded()
        checkout = await self.left_to_pay()
        await self.prove_the_books()
        return Played(logo, website, build, checkout.checkout_url, checkout.escrow_id)

    # --- the people

    async def meet(self) -> None:
        self.narrator.act("A payer and a payee")
        with self.narrator.step("Ada will pay") as step:
            created = await self.parties.CreatePayer(
                parties.CreatePayerRequest(
                    request_id=new_request_id(),
                    reference=f"ada-{self.name}",
                    name="Ada Lovelace",
                    email="ada@example.com",
                )
            )
            self.payer = created.payer
            await until(self._payer_is_known, "a customer at Stripe")
            step.says = f"{self.payer.stripe_customer} at Stripe"
        await self.narrator.pause()
        with self.narrator.step("Ben will be paid") as step:
            answer = await self.parties.CreatePayee(
                parties.CreatePayeeRequest(
                    request_id=new_request_id(),
                    reference=f"ben-{self.name}",
                    name="Ben Carter",
                    email="ben@example.com",
                    country="US",
                )
            )
            self.payee = answer.payee
            await until(self._payee_has_an_account, "an account at Stripe")
            step.says = f"{self.payee.stripe_account}, a connected account"
        await self.narrator.pause()
        with self.narrator.step("Ben fills in Stripe's onboarding page") as step:
            link = await self.payee_parties.CreateOnboardingLink(
                parties.CreateOnboardingLinkRequest(
                    request_id=new_request_id(),
                    payee_id=self.payee.id,
                    return_url=self.pages.onboarded_url,
                    refresh_url=self.pages.onboarded_url,
                )
            )
            await self.pages.onboard(link.url, self.payee.name)
            await until(self._payee_is_active, "a payee who can be paid")
            step.says = "he can be paid now"
        await self.narrator.pause()

    async def _payer_is_known(self) -> bool:
        request = parties.GetPayerRequest(payer_id=self.payer.id)
        self.payer = (await self.parties.GetPayer(request)).payer
        return bool(self.payer.stripe_customer)

    async def _payee_has_an_account(self) -> bool:
        request = parties.GetPayeeRequest(payee_id=self.payee.id)
        self.payee = (await self.parties.GetPayee(request)).payee
        return bool(self.payee.stripe_account)

    async def _payee_is_active(self) -> bool:
        await self._payee_has_an_account()
        return self.payee.state == parties.PAYEE_STATE_ACTIVE

    # --- one escrow, paid by card, down to the bank

    async def one_payment(self) -> str:
        self.narrator.act("One escrow, whole: a logo for 250.00 USD, paid by card")
        escrow = await self.agree("logo", ("Logo", 25_000))
        await self.pay_by_card(escrow)
        await self.deliver(escrow, 0, "https://example.com/logo.svg")
        await self.accept(escrow, 0)
        await self.pay_out(escrow)
        await until(lambda: self.is_completed(escrow), "completed")
        return escrow.id

    async def pay_out(self, escrow: escrows.Escrow) -> None:
        """From the payee's Stripe account to the bank; Stripe's clock is ours to move."""
        amount_minor = sum(
            m.amount.amount_minor - m.payee_fee.amount_minor for m in escrow.milestones
        )
        amount = Money(amount_minor=amount_minor, currency=escrow.currency)
        with self.narrator.step(f"{DAYS_UNTIL_AVAILABLE} days pass at Stripe") as step:
            await self.pages.advance_clock(DAYS_UNTIL_AVAILABLE)
            step.says = "what the card paid can be paid out"
        await self.narrator.pause()
        with self.narrator.step(f"Ben asks for {shown(amount)} in his bank") as step:
            await self.payee_parties.RequestPayout(
                parties.RequestPayoutRequest(
                    request_id=new_request_id(), payee_id=self.payee.id, amount=amount
                )
            )
            step.says = "from his account's own book"
            step.journals = await self.booked(escrow, JournalKind.PAYOUT_CREATED)
        await self.narrator.pause()
        with self.narrator.step(f"{DAYS_UNTIL_PAID} more days pass: the bank has it") as step:
            await self.pages.advance_clock(DAYS_UNTIL_PAID)
            step.says = "from a card to a bank"
            step.journals = await self.booked(escrow, JournalKind.PAYOUT_PAID)
        await self.narrator.pause()

    # --- one escrow by milestones, paid at Checkout with 3D Secure

    async def two_milestones(self) -> tuple[str, str]:
        self.narrator.act("Another by milestones: a website for 1,000.00 USD, paid on Checkout")
        escrow = await self.agree("website", ("Design", 40_000), ("Build", 60_000))
        with self.narrator.step("Ada opens Checkout, and her bank asks for 3D Secure") as step:
            payment = await self.fund(escrow, method=escrows.PAYMENT_METHOD_CHECKOUT)
            await self.pages.check_out(
                payment.checkout_url, name=self.payer.name, email=self.payer.email
            )
            step.says = f"{shown(payment.amount)}"
            step.journals = await self.booked(escrow, JournalKind.PAYMENT_SUCCEEDED)
        await self.settle(escrow, payment)
        await self.deliver(escrow, 0, "https://example.com/design-1")
        with self.narrator.step("Ada asks for changes") as step:
            await self.as_payer.RequestChanges(
                escrows.RequestChangesRequest(
                    request_id=new_request_id(),
                    escrow_id=escrow.id,
                    milestone_id=escrow.milestones[0].id,
                    note="A little more contrast, please.",
                )
            )
            step.says = "the milestone is funded again, and not delivered"
        await self.narrator.pause()
        await self.deliver(escrow, 0, "https://example.com/design-2")
        await self.accept(escrow, 0)
        await self.deliver(escrow, 1, "https://example.com/build", "left for you to accept")
        return escrow.id, escrow.milestones[1].id

    # --- one of which a part goes back

    async def partly_refunded(self) -> None:
        self.narrator.act("A third, of which Ben gives a part back: a poster for 40.00 USD")
        escrow = await self.agree("poster", ("Poster", 4_000))
        await self.pay_by_card(escrow)
        with self.narrator.step("Ben gives back 15.00, before any of it is released") as step:
            answer = await self.payee_refunds.RefundMilestone(
                refunds.RefundMilestoneRequest(
                    request_id=new_request_id(),
                    escrow_id=escrow.id,
                    milestone_id=escrow.milestones[0].id,
                    amount_minor=1_500,
                    reason="It is smaller than agreed.",
                )
            )
            step.says = f"Ada gets {shown(answer.refund.amount)}, her fee for it included"
            step.journals = await self.booked(
                escrow, JournalKind.REFUNDED_FROM_HELD, JournalKind.REFUND_CONFIRMED
            )
        await self.narrator.pause()

    # --- one that is left unpaid, for the person at the terminal

    async def left_to_pay(self) -> escrows.Payment:
        self.narrator.act("One more, left for you to pay")
        escrow = await self.agree("translation", ("Translation", 8_000))
        with self.narrator.step("A Checkout page waits") as step:
            payment = await self.fund(escrow, method=escrows.PAYMENT_METHOD_CHECKOUT)
            step.says = f"{shown(payment.amount)}; its address is below"
        return payment

    # --- the end

    async def prove_the_books(self) -> None:
        self.narrator.act("The books, of everything so far")
        balances = await trial_balance(self.journals.pool, self.journals.tenant)
        self.narrator.show(trial_balance_table(balances))
        with self.narrator.step(
            "All journals replayed, all balances and invariants checked"
        ) as step:
            report = await verify_books(self.journals.pool)
            if not report.clean:
                broken = ", ".join(check.name for check in report.checks if check.breaches)
                raise StoryStuck(f"the books are wrong ({broken}): run `escrow verify`")
            step.says = f"{len(report.checks)} hold"
