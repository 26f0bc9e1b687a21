"""What was agreed changes: prices of what nobody has paid for, due dates, milestones that are
added, a bonus. One party asks, the other agrees, while somebody pays.

Not in every seed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from escrow.v1 import agreement_service_pb2 as agreement
from escrow.v1 import escrow_service_pb2 as pb
from tests.chaos.at_stripe import pay
from tests.chaos.caller import Party
from tests.chaos.currencies import PRESENTED, price_minor
from tests.chaos.deadlines import EITHER, in_seconds

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.5  # of the seeds
STEP_SHARE = 0.3  # of the steps of these
ALONE_SHARE = 0.2  # of the amendments are an operator's
TOO_MUCH = 2_000  # times the least payment: more than the policy takes
UNPAID = pb.MILESTONE_STATE_AWAITING_FUNDS


class Amendments:
    """Those of one seed."""

    def __init__(self, seed: int) -> None:
        self.happen = random.Random(f"{seed} amendments").random() < SEED_SHARE

    def choose(self, deal: Deal, rng: random.Random) -> Action | None:
        """What somebody does about what was agreed, if they do anything."""
        if not self.happen or rng.random() >= STEP_SHARE:
            return None
        actions: list[Action] = [propose, propose]
        if any(m.state == UNPAID for m in deal.escrow.milestones):
            actions.append(reprice_while_paid)
        if amendments(deal.escrow):
            actions = [accept, accept, accept_while_funded, accept_while_funded, decline, propose]
        return rng.choice(actions)


def amendments(escrow: pb.Escrow) -> Sequence[pb.Proposal]:
    """What is asked, and not answered."""
    return [each for each in escrow.proposals if each.kind == pb.PROPOSAL_KIND_AMENDMENT]


async def propose(deal: Deal, rng: random.Random) -> None:
    """Of one or several kinds of changes at once; now and then what cannot be done."""
    request = agreement.ProposeAmendmentRequest(
        escrow_id=deal.escrow.id, reason="It has become larger."
    )
    for change in rng.sample(CHANGES, rng.choice([1, 1, 2])):
        change(deal, request, rng)
    who: Party = "operator" if rng.random() < ALONE_SHARE else rng.choice(EITHER)
    deal.saw(await deal.want("ProposeAmendment", who, request, rng))


def _another_price(
    deal: Deal, request: agreement.ProposeAmendmentRequest, rng: random.Random
) -> None:
    milestones = deal.escrow.milestones
    unpaid = [each for each in milestones if each.state == UNPAID]
    milestone = rng.choice(unpaid * 4 + list(milestones))
    wanted = _of(request, milestone.id)
    wanted.amount_minor = price_minor(rng, deal.escrow.currency)
    if rng.random() < 0.05:
        wanted.amount_minor = TOO_MUCH * PRESENTED[deal.escrow.currency].least_minor


def _another_date(
    deal: Deal, request: agreement.ProposeAmendmentRequest, rng: random.Random
) -> None:
    milestone = rng.choice(deal.escrow.milestones)
    seconds = rng.choice([3, 10, 10**6])
    _of(request, milestone.id).due_time.CopyFrom(in_seconds(seconds))


def _another_milestone(
    deal: Deal, request: agreement.ProposeAmendmentRequest, rng: random.Random
) -> None:
    currency = deal.escrow.currency
    amount_minor = price_minor(rng, currency)
    request.added.add(
        title="Another part",
        amount_minor=amount_minor,
        due_time=deal.deadlines.due_time(rng),
        payees=deal.splits.agree(rng, amount_minor, currency, deal.payees),
    )


def _bonus(deal: Deal, request: agreement.ProposeAmendmentRequest, rng: random.Random) -> None:
    amount_minor = price_minor(rng, deal.escrow.currency)
    request.added.add(title="Bonus", amount_minor=amount_minor)


def _of(
    request: agreement.ProposeAmendmentRequest, milestone_id: str
) -> agreement.AmendedMilestone:
    """Each milestone is named once."""
    for each in request.milestones:
        if each.milestone_id == milestone_id:
            return each
    return request.milestones.add(milestone_id=milestone_id)


async def accept(deal: Deal, rng: random.Random) -> None:
    """By the other, for the most part: who has asked may not."""
    if asked := amendments(deal.escrow):
        proposal = rng.choice(asked)
        who: Party = "payee" if proposal.proposed_by == "payer" else "payer"
        if rng.random() < 0.15:
            who = rng.choice(["payer", "payee", "operator"])
        request = agreement.AcceptAmendmentRequest(
            escrow_id=deal.escrow.id, proposal_id=proposal.id
        )
        deal.saw(await deal.want("AcceptAmendment", who, request, rng))


async def decline(deal: Deal, rng: random.Random) -> None:
    """The other says no, or who asked takes it back."""
    if asked := amendments(deal.escrow):
        request = agreement.DeclineAmendmentRequest(
            escrow_id=deal.escrow.id, proposal_id=rng.choice(asked).id
        )
        deal.saw(await deal.want("DeclineAmendment", rng.choice(EITHER), request, rng))


async def accept_while_funded(deal: Deal, rng: random.Random) -> None:
    """One of the two is first: either nobody pays the old price, or it does not change."""
    dice = random.Random(rng.random())
    await asyncio.gather(accept(deal, rng), deal.fund(dice))


async def reprice_while_paid(deal: Deal, rng: random.Random) -> None:
    """A payment of the old price is ended, and its payer was maybe faster."""
    for payment in deal.open_payments()[:1]:
        dice = random.Random(rng.random())
        stop = pb.CancelPaymentRequest(payment_id=payment.id)
        await asyncio.gather(pay(deal, dice), deal.want("CancelPayment", "payer", stop, rng))
    request = agreement.ProposeAmendmentRequest(escrow_id=deal.escrow.id, reason="It is another.")
    _another_price(deal, request, rng)
    deal.saw(await deal.want("ProposeAmendment", "operator", request, rng))


Change = Callable[["Deal", agreement.ProposeAmendmentRequest, random.Random], None]
CHANGES: Sequence[Change] = (
    _another_price,
    _another_price,
    _another_date,
    _another_milestone,
    _bonus,
)
Action = Callable[["Deal", random.Random], Awaitable[None]]
