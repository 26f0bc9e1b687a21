"""One agreement under random hands: valid and invalid actions of all parties, drawn per step.

Each step has a generator of its own, so that one step that goes otherwise, because a process died a
moment earlier, does not change what the later ones want.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from escrow.v1 import agreement_service_pb2 as agreement
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from escrow.v1.money_pb2 import Money
from tests.chaos.amendments import Amendments
from tests.chaos.approvals import Approvals
from tests.chaos.at_stripe import bank, onboard, pay, restrict
from tests.chaos.caller import Caller, Party, some_answered
from tests.chaos.chargebacks import Chargebacks
from tests.chaos.currencies import Currencies, price_minor
from tests.chaos.deadlines import Deadlines
from tests.chaos.disputes import Disputes
from tests.chaos.freezes import freezes_of, lift
from tests.chaos.refunds import Refunds
from tests.chaos.splits import Splits, redirect
from tests.scenarios.sandbox_client import Json, SandboxClient

RETURN_URL = "https://shop.example/thanks"
ETAGS = ("", "", "", "", "stale")
EITHER: tuple[Party, ...] = ("payer", "payee")
SENSIBLE_SHARE = 0.8  # of the steps; the others do anything at any time
LOOK_SHARE = 0.3  # of the steps begin with a look at what has become of the last ones


@dataclass(eq=False)
class Deal:
    """What the marketplace believes about one escrow, and everything it may do about it."""

    caller: Caller
    sandbox: SandboxClient
    payer: party.Payer
    payee: party.Payee
    currencies: Currencies
    refunds: Refunds
    splits: Splits
    deadlines: Deadlines
    amendments: Amendments
    approvals: Approvals
    chargebacks: Chargebacks
    disputes: Disputes
    payees: Sequence[party.Payee]
    """All of the seed, who may get a part; the last one is never onboarded."""
    escrow: pb.Escrow = field(default_factory=pb.Escrow)
    payments: list[pb.Payment] = field(default_factory=list)
    payouts: list[party.Payout] = field(default_factory=list)
    onboarded: bool = False

    async def step(self, rng: random.Random) -> str:
        """One action; its name."""
        if self.escrow.id and rng.random() < LOOK_SHARE:
            await self.look(rng)
        action = self._choose(rng)
        await action(self, rng)
        return action.__name__

    # --- what makes sense now

    def _choose(self, rng: random.Random) -> "Action":
        if not self.escrow.id:
            return Deal.create
        if action := self.approvals.choose(self, rng) or self.disputes.choose(self, rng):
            return action
        if action := self.chargebacks.choose(self, rng) or self.refunds.choose(self, rng):
            return action
        if self.splits.choose(self, rng):
            return redirect
        if action := self.deadlines.choose(self, rng):
            return action
        drawn = self.amendments.choose(self, rng)
        return drawn or rng.choice(self._sensible() if rng.random() < SENSIBLE_SHARE else ANYTHING)

    def _sensible(self) -> Sequence["Action"]:
        states = {milestone.state for milestone in self.escrow.milestones}
        actions: list[Action] = []
        if pb.MILESTONE_STATE_AWAITING_FUNDS in states:
            actions += [pay, pay] if self.open_payments() else [Deal.fund]
        if any(p.state == pb.PAYMENT_STATE_REQUIRES_CAPTURE for p in self.payments):
            actions.append(Deal.capture)
        if pb.MILESTONE_STATE_FUNDED in states:
            actions += [Deal.deliver, Deal.deliver, Deal.release]
        if pb.MILESTONE_STATE_DELIVERED in states:
            actions += [Deal.accept, Deal.accept, Deal.release]
        if self._cancellations():
            actions.append(Deal.answer)
        if not self.onboarded:
            actions.append(onboard)
        if freezes_of(self):
            actions.append(lift)
        if states & {pb.MILESTONE_STATE_RELEASING, pb.MILESTONE_STATE_RELEASED}:
            actions += [Deal.pay_out, bank]
        return actions or [Deal.look]

    def open_payments(self) -> list[pb.Payment]:
        ended = {
            pb.PAYMENT_STATE_SUCCEEDED,
            pb.PAYMENT_STATE_CANCELED,
            pb.PAYMENT_STATE_REJECTED,
        }
        return [payment for payment in self.payments if payment.state not in ended]

    @property
    def balances(self) -> list[Money]:
        """What is in the payee's account at Stripe, by currency."""
        return [b.connected for b in self.payee.balances if b.connected.amount_minor]

    # --- clients' actions

    async def create(self, rng: random.Random) -> None:
        currency = self.currencies.presented(rng)
        amounts = [price_minor(rng, currency) for _ in range(rng.randint(1, 4))]
        request = pb.CreateEscrowRequest(
            reference="job",
            payer_id=self.payer.id,
            payee_id=self.payee.id,
            currency=currency,
            milestones=[
                pb.MilestoneInput(
                    title=f"Part {number}",
                    amount_minor=amount_minor,
                    payees=self.splits.agree(rng, amount_minor, currency, self.payees),
                    due_time=self.deadlines.due_time(rng),
                )
                for number, amount_minor in enumerate(amounts, start=1)
            ],
        )
        self.saw(await self.want("CreateEscrow", None, request, rng))

    async def fund(self, rng: random.Random) -> None:
        waiting = [
            m.id for m in self.escrow.milestones if m.state == pb.MILESTONE_STATE_AWAITING_FUNDS
        ]
        chosen = rng.sample(waiting, rng.randint(0, len(waiting)))  # none of them means all
        checkout = rng.random() < 0.3
        manual = rng.random() < 0.2
        request = pb.FundEscrowRequest(
            escrow_id=self.escrow.id,
            milestone_ids=chosen,
            method=pb.PAYMENT_METHOD_CHECKOUT if checkout else pb.PAYMENT_METHOD_PAYMENT_INTENT,
            capture=pb.CAPTURE_STRATEGY_MANUAL if manual else pb.CAPTURE_STRATEGY_AUTOMATIC,
            return_url=RETURN_URL if checkout else "",
        )
        answer = await self.want("FundEscrow", "payer", request, rng)
        if answer is not None:
            self._saw_payment(answer.payment)

    async def capture(self, rng: random.Random) -> None:
        if self.payments:
            payment = rng.choice(self.payments)
            request = pb.CapturePaymentRequest(payment_id=payment.id)
            await self.want("CapturePayment", "payer", request, rng)

    async def cancel_payment(self, rng: random.Random) -> None:
        if self.payments:
            payment = rng.choice(self.payments)
            request = pb.CancelPaymentRequest(payment_id=payment.id)
            await self.want("CancelPayment", rng.choice(EITHER), request, rng)

    async def deliver(self, rng: random.Random) -> None:
        request = pb.SubmitDeliveryRequest(
            escrow_id=self.escrow.id,
            milestone_id=self._milestone(rng, pb.MILESTONE_STATE_FUNDED).id,
        )
        self.saw(await self.want("SubmitDelivery", "payee", request, rng))

    async def request_changes(self, rng: random.Random) -> None:
        request = pb.RequestChangesRequest(
            escrow_id=self.escrow.id,
            milestone_id=self._milestone(rng, pb.MILESTONE_STATE_DELIVERED).id,
        )
        self.saw(await self.want("RequestChanges", "payer", request, rng))

    async def accept(self, rng: random.Random) -> None:
        request = pb.AcceptDeliveryRequest(
            escrow_id=self.escrow.id,
            milestone_id=self._milestone(rng, pb.MILESTONE_STATE_DELIVERED).id,
        )
        self.saw(await self.want("AcceptDelivery", "payer", request, rng))

    async def release(self, rng: random.Random) -> None:
        milestone = self._milestone(rng, pb.MILESTONE_STATE_DELIVERED, pb.MILESTONE_STATE_FUNDED)
        request = pb.ReleaseMilestoneRequest(
            escrow_id=self.escrow.id, milestone_id=milestone.id, etag=rng.choice(ETAGS)
        )
        if rng.random() < 0.7:  # now and then more than there is
            most_minor = milestone.held.amount_minor * 11 // 10
            request.amount_minor = self.currencies.part(rng, most_minor, self.escrow.currency)
        self.saw(await self.want("ReleaseMilestone", "payer", request, rng))

    async def cancel(self, rng: random.Random) -> None:
        request = pb.CancelEscrowRequest(escrow_id=self.escrow.id, reason="changed my mind")
        who = rng.choice(self.approvals.who_cancels)
        self.saw(await self.want("CancelEscrow", who, request, rng))

    async def ask_to_cancel(self, rng: random.Random) -> None:
        request = agreement.RequestCancellationRequest(
            escrow_id=self.escrow.id, reason="changed my mind"
        )
        self.saw(await self.want("RequestCancellation", rng.choice(EITHER), request, rng))

    async def answer(self, rng: random.Random) -> None:
        """To what is asked, also by who has asked: yes, or no."""
        for proposal in self._cancellations()[:1]:
            escrow_id, proposal_id = self.escrow.id, proposal.id
            who = rng.choice(EITHER)
            if rng.random() < 0.5:
                yes = agreement.ApproveCancellationRequest(
                    escrow_id=escrow_id, proposal_id=proposal_id
                )
                self.saw(await self.want("ApproveCancellation", who, yes, rng))
            else:
                no = agreement.DeclineCancellationRequest(
                    escrow_id=escrow_id, proposal_id=proposal_id
                )
                self.saw(await self.want("DeclineCancellation", who, no, rng))

    def _cancellations(self) -> list[pb.Proposal]:
        kind = pb.PROPOSAL_KIND_CANCELLATION
        return [each for each in self.escrow.proposals if each.kind == kind]

    async def pay_out(self, rng: random.Random) -> None:
        await self.read_payee()
        balances = [balance.connected for balance in self.payee.balances]
        amount = self.currencies.payout(rng, balances, agreed=self.escrow.currency)
        request = party.RequestPayoutRequest(payee_id=self.payee.id, amount=amount)
        answer = await self.want("RequestPayout", "payee", request, rng)
        if answer is not None:
            self.payouts.append(answer.payout)

    async def act_for_another(self, rng: random.Random) -> None:
        """The wrong party, or something that does not exist."""
        milestone = rng.choice(self.escrow.milestones)
        wrong = pb.AcceptDeliveryRequest(escrow_id=self.escrow.id, milestone_id=milestone.id)
        if rng.random() < 0.5:
            await self.caller.want("AcceptDelivery", "payee", wrong)
        else:
            wrong.milestone_id = f"mst_{rng.getrandbits(128):032x}"
            await self.caller.want("AcceptDelivery", "payer", wrong)

    async def repeat(self, rng: random.Random) -> None:
        """What is not answered yet, or was answered before, is sent again."""
        unanswered = [i for i in self.caller.intentions if i.is_open]
        intention = rng.choice(unanswered) if unanswered else some_answered(self.caller, rng)
        if intention is not None:
            await self.caller.send(intention)

    async def reuse_request_id(self, rng: random.Random) -> None:
        intention = some_answered(self.caller, rng)
        if intention is None or intention.method != "ReleaseMilestone":
            return
        changed = pb.ReleaseMilestoneRequest()
        changed.CopyFrom(intention.request)
        changed.amount_minor += 1
        await self.caller.send_otherwise(intention, changed)

    async def look(self, rng: random.Random) -> None:
        if self.payments:
            await self._read_payment(rng.choice(self.open_payments() or self.payments))
        request = pb.GetEscrowRequest(escrow_id=self.escrow.id)
        self.saw(await self.caller.read("GetEscrow", request))
        if rng.random() < 0.3:
            await self.read_payee()

    # --- sending and seeing

    async def want(
        self, method: str, who: Party | None, request: Message, rng: random.Random
    ) -> Any:  # noqa: ANN401 - the method's own answer
        copies = rng.randint(2, 3) if rng.random() < 0.15 else 1
        return (await self.caller.want(method, who, request, copies=copies)).answer

    async def at_stripe(self, path: str, **body: object) -> Json:
        """Somebody acts at Stripe, which may well refuse."""
        url = f"{self.sandbox.url}/_sandbox/{path}"
        async with self.sandbox.http.post(url, json=body) as answer:
            told: Json = await answer.json()
            return told

    def _milestone(self, rng: random.Random, *states: pb.MilestoneState.ValueType) -> pb.Milestone:
        """One in these states, if there is one; else any."""
        fitting = [m for m in self.escrow.milestones if m.state in states]
        return rng.choice(fitting or list(self.escrow.milestones))

    def saw(self, answer: Any) -> None:  # noqa: ANN401 - of any method that tells an escrow
        if answer is not None:
            self.escrow = answer.escrow

    def _saw_payment(self, payment: pb.Payment) -> None:
        self.payments = [p for p in self.payments if p.id != payment.id] + [payment]

    async def _read_payment(self, payment: pb.Payment) -> None:
        request = pb.GetPaymentRequest(payment_id=payment.id)
        answer = await self.caller.read("GetPayment", request)
        if answer is not None:
            self._saw_payment(answer.payment)

    async def read_payee(self) -> None:
        request = party.GetPayeeRequest(payee_id=self.payee.id)
        answer = await self.caller.read("GetPayee", request)
        if answer is not None:
            self.payee = answer.payee


Action = Callable[[Deal, random.Random], Awaitable[None]]
ANYTHING: Sequence[Action] = (
    *[Deal.fund, pay, Deal.look, Deal.repeat] * 2,
    *[Deal.capture, Deal.cancel_payment, Deal.deliver, Deal.request_changes, Deal.accept],
    *[Deal.release, Deal.cancel, Deal.pay_out, onboard, restrict, bank],
    *[Deal.act_for_another, Deal.reuse_request_id, Deal.ask_to_cancel, Deal.answer],
)
