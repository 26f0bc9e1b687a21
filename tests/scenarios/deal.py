"""One agreement between one payer and one payee, with a verb for everything that can be done.

The verbs call the service as its clients do, with a fresh request id each; what the ledger says is
read from the database, with the ids in its accounts replaced by what they stand for.
"""

from collections.abc import Sequence

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from escrow.v1.money_pb2 import Money
from tests.scenarios.books import Journal, read_journals, uuid_of
from tests.scenarios.program import until
from tests.world import World

CARD = "pm_card_bypassPending"  # its money can be paid out at once
RETURN_URL = "https://shop.example/thanks"


class Deal:
    """A payer, a payee and an escrow of their own."""

    def __init__(
        self, world: World, payer: party.Payer, payee: party.Payee, escrow: pb.Escrow
    ) -> None:
        self.world = world
        self.payer = payer
        self.payee = payee
        self.escrow = escrow
        self.payment = pb.Payment()
        self.payout = party.Payout()

    # --- who calls

    @property
    def as_service(self) -> EscrowClient:
        return self.world.client

    @property
    def as_payer(self) -> EscrowClient:
        return self.world.client.acting("payer")

    @property
    def as_payee(self) -> EscrowClient:
        return self.world.client.acting("payee")

    def milestone_id(self, number: int = 1) -> str:
        return self.escrow.milestones[number - 1].id

    # --- funding

    async def fund(
        self,
        *numbers: int,
        method: pb.PaymentMethod.ValueType = pb.PAYMENT_METHOD_PAYMENT_INTENT,
        capture: pb.CaptureStrategy.ValueType = pb.CAPTURE_STRATEGY_AUTOMATIC,
    ) -> pb.Payment:
        """Starts the payment of these milestones, or of all."""
        request = pb.FundEscrowRequest(
            request_id=new_request_id(),
            escrow_id=self.escrow.id,
            milestone_ids=[self.milestone_id(number) for number in numbers],
            method=method,
            capture=capture,
            return_url=RETURN_URL if method == pb.PAYMENT_METHOD_CHECKOUT else "",
        )
        self.payment = (await self.as_payer.escrows.FundEscrow(request)).payment
        return self.payment

    async def pay(self, card: str = CARD) -> None:
        """The payer pays on the marketplace's own page."""
        await self.world.sandbox.control(
            "POST",
            f"payment_intents/{self.payment.stripe_payment_intent}/pay",
            payment_method=card,
            return_url=RETURN_URL,
        )

    async def pay_for(self, *numbers: int) -> None:
        """From nothing to funded, its fee known."""
        await self.fund(*numbers)
        await self.pay()
        await self.until_payment(pb.PAYMENT_STATE_SUCCEEDED, fee_known=True)

    async def read_payment(self) -> pb.Payment:
        """The payment as the payer's page sees it now."""
        request = pb.GetPaymentRequest(payment_id=self.payment.id)
        self.payment = (await self.as_payer.escrows.GetPayment(request)).payment
        return self.payment

    async def capture(self) -> pb.Payment:
        request = pb.CapturePaymentRequest(request_id=new_request_id(), payment_id=self.payment.id)
        self.payment = (await self.as_payer.escrows.CapturePayment(request)).payment
        return self.payment

    async def cancel_payment(self) -> pb.Payment:
        request = pb.CancelPaymentRequest(request_id=new_request_id(), payment_id=self.payment.id)
        self.payment = (await self.as_payer.escrows.CancelPayment(request)).payment
        return self.payment

    async def cancel(self) -> pb.Escrow:
        request = pb.CancelEscrowRequest(
            request_id=new_request_id(), escrow_id=self.escrow.id, reason="changed my mind"
        )
        self.escrow = (await self.as_payer.escrows.CancelEscrow(request)).escrow
        return self.escrow

    # --- delivering and releasing

    async def deliver(self, number: int = 1) -> None:
        request = pb.SubmitDeliveryRequest(
            request_id=new_request_id(),
            escrow_id=self.escrow.id,
            milestone_id=self.milestone_id(number),
            note="It is in the shared folder.",
        )
        self.escrow = (await self.as_payee.escrows.SubmitDelivery(request)).escrow

    async def accept(self, number: int = 1) -> None:
        request = self.acceptance(number)
        self.escrow = (await self.as_payer.escrows.AcceptDelivery(request)).escrow

    def acceptance(self, number: int = 1) -> pb.AcceptDeliveryRequest:
        return pb.AcceptDeliveryRequest(
            request_id=new_request_id(),
            escrow_id=self.escrow.id,
            milestone_id=self.milestone_id(number),
        )

    async def release(self, number: int = 1, amount_minor: int | None = None) -> None:
        request = pb.ReleaseMilestoneRequest(
            request_id=new_request_id(),
            escrow_id=self.escrow.id,
            milestone_id=self.milestone_id(number),
            amount_minor=amount_minor,
        )
        self.escrow = (await self.as_payer.escrows.ReleaseMilestone(request)).escrow

    # --- the payee's account

    async def onboard(self) -> None:
        """The payee fills in Stripe's page."""
        await self.world.sandbox.control("POST", f"accounts/{self.payee.stripe_account}/onboard")
        await self.until_payee(party.PAYEE_STATE_ACTIVE)

    async def pay_out(self, amount_minor: int) -> party.Payout:
        request = party.RequestPayoutRequest(
            request_id=new_request_id(),
            payee_id=self.payee.id,
            amount=Money(amount_minor=amount_minor, currency=self.escrow.currency),
        )
        self.payout = (await self.as_payee.parties.RequestPayout(request)).payout
        return self.payout

    # --- reading and waiting

    async def read(self) -> pb.Escrow:
        request = pb.GetEscrowRequest(escrow_id=self.escrow.id)
        self.escrow = (await self.as_service.escrows.GetEscrow(request)).escrow
        return self.escrow

    async def find_payee(self) -> party.Payee:
        request = party.GetPayeeRequest(payee_id=self.payee.id)
        self.payee = (await self.as_service.parties.GetPayee(request)).payee
        return self.payee

    async def until_milestone(self, state: pb.MilestoneState.ValueType, number: int = 1) -> None:
        async def reached() -> bool:
            return (await self.read()).milestones[number - 1].state == state

        await until(reached, f"milestone {number} in {pb.MilestoneState.Name(state)}")

    async def until_payment(
        self, state: pb.PaymentState.ValueType, *, fee_known: bool = False
    ) -> None:
        """Waits for what the events tell: the database is asked, since GetPayment asks Stripe."""
        name = pb.PaymentState.Name(state).removeprefix("PAYMENT_STATE_")

        async def reached() -> bool:
            row = await self.world.pool.fetchrow(
                "SELECT state, processing_fee_minor FROM payments WHERE payment_id = $1::uuid",
                uuid_of(self.payment.id),
            )
            assert row is not None
            fee = row["processing_fee_minor"] is not None
            return bool(row["state"] == name and (fee or not fee_known))

        await until(reached, f"payment in {name}")

    async def until_payee(self, state: party.PayeeState.ValueType) -> None:
        async def reached() -> bool:
            return (await self.find_payee()).state == state

        await until(reached, f"payee in {party.PayeeState.Name(state)}")

    async def until_payout(self, state: party.PayoutState.ValueType) -> None:
        async def reached() -> bool:
            request = party.GetPayoutRequest(payout_id=self.payout.id)
            self.payout = (await self.as_service.parties.GetPayout(request)).payout
            return self.payout.state == state

        await until(reached, f"payout in {party.PayoutState.Name(state)}")

    # --- what was booked and what Stripe did

    async def journals(self) -> list[Journal]:
        """Everything that was booked for this escrow and its payee's payouts."""
        names = {self.payee.id: "payee", self.payee.stripe_account: "account"}
        names |= {m.id: f"m{n}" for n, m in enumerate(self.escrow.milestones, start=1)}
        if self.payment.id:
            names[self.payment.id] = "payment"
        return await read_journals(
            self.world.pool, self.escrow.id, names, account=self.payee.stripe_account
        )

    async def transfers(self) -> list[int]:
        """The amounts of the transfers that Stripe has made for this escrow."""
        sandbox = self.world.sandbox
        found = await sandbox.all_of("/v1/transfers", transfer_group=self.escrow.id)
        return sorted(transfer["amount"] for transfer in found)


async def open_deal(
    world: World,
    *amounts_minor: int,
    onboarded: bool = True,
    account_api: party.AccountApi.ValueType = party.ACCOUNT_API_V2,
    kind: type[Deal] = Deal,
) -> Deal:
    """A new payer, a new payee and an escrow with these milestones, in USD."""
    reference = new_request_id()
    payer = await world.client.parties.CreatePayer(
        party.CreatePayerRequest(
            request_id=new_request_id(),
            reference=reference,
            name="Ann Payer",
            email="ann@example.com",
        )
    )
    payee = await world.client.parties.CreatePayee(
        party.CreatePayeeRequest(
            request_id=new_request_id(),
            reference=reference,
            name="Bob Payee",
            email="bob@example.com",
            country="US",
            account_api=account_api,
        )
    )
    escrow = await new_escrow(world, payer.payer, payee.payee, amounts_minor or [10_000])
    deal = kind(world, payer.payer, payee.payee, escrow)
    if onboarded:
        await deal.onboard()
    return deal


async def new_escrow(
    world: World, payer: party.Payer, payee: party.Payee, amounts_minor: Sequence[int]
) -> pb.Escrow:
    request = pb.CreateEscrowRequest(
        request_id=new_request_id(),
        reference="job-1",
        payer_id=payer.id,
        payee_id=payee.id,
        currency="USD",
        milestones=[
            pb.MilestoneInput(title=f"Part {number}", amount_minor=amount_minor)
            for number, amount_minor in enumerate(amounts_minor, start=1)
        ],
    )
    return (await world.client.escrows.CreateEscrow(request)).escrow
