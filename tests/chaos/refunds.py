"""Money that goes back: what payees and operators ask for, and what Stripe and banks make of it.

Not in every seed, and in the others only at some of the steps, so that all else happens as well.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import aiohttp

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import operator_service_pb2 as operator
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.caller import Breach, Party
from tests.chaos.currencies import Currencies, part_minor
from tests.chaos.freezes import freezes_of, lift, place
from tests.chaos.reversals import adopt_reversal, frozen_by_reversals, reverse_by_hand
from tests.chaos.strangers import BY_HAND, STRANGE_SHARE
from tests.world import World

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.75  # of the seeds
STEP_SHARE = 0.55  # of the steps of these
CALM_SHARE = 0.2  # of the steps of strangers meanwhile
RICH_SHARE = 0.6  # of these: Stripe always has the money for a refund
RARELY = 0.1
PLANNED_SHARE = 0.4  # of the refunds
CHOSEN_SHARE = 0.15  # of the refunds name what they are taken from
PLENTY_MINOR = 10**10
GIVERS: Sequence[Party] = ("payee", "payee", "payee", "payee", "operator", "operator", "payer")
RESOLUTIONS = (
    refund.REFUND_RESOLUTION_SEND_AGAIN,
    refund.REFUND_RESOLUTION_PUT_BACK,
    refund.REFUND_RESOLUTION_PAID_OUTSIDE,
)
# What may become of a refund at Stripe, by our state of it; Stripe refuses what does not fit.
AT_STRIPE: dict[int, Sequence[str]] = {
    refund.REFUND_STATE_PENDING: ("succeed", "require_action", "fail"),
    refund.REFUND_STATE_REQUIRES_ACTION: ("succeed", "cancel", "fail"),
    refund.REFUND_STATE_SUCCEEDED: ("fail",),
}


class Refunds:
    """Those of one seed."""

    def __init__(self, seed: int, currencies: Currencies) -> None:
        draw = random.Random(f"{seed} refunds")
        self.happen = draw.random() < SEED_SHARE
        self._is_rich = draw.random() < RICH_SHARE
        self._currencies = currencies

    @property
    def strange_share(self) -> float:
        """How much strangers do: of a payment that is disputed nothing can be given back."""
        return CALM_SHARE if self.happen else STRANGE_SHARE

    async def begin(self, world: World) -> None:
        """Gives the platform money of its own, or not: then refunds wait for payments."""
        if self.happen and self._is_rich:
            await top_up(world, self._currencies.platform)

    def choose(self, deal: Deal, rng: random.Random) -> Action | None:
        """What somebody does about refunds now, if they do anything."""
        if not self.happen or rng.random() >= STEP_SHARE:
            return None
        actions: list[Action] = []
        if _with_money(deal):
            actions += [give_back, give_back, give_back, give_back_by_hand]
        if any(m.held.amount_minor for m in deal.escrow.milestones):
            actions.append(place)
        if freezes_of(deal):
            actions.append(lift)
        if _frozen_by_refunds(deal):
            actions += [adopt] * 6
        if frozen_by_reversals(deal):
            actions += [adopt_reversal] * 6
        if any(m.released.amount_minor for m in deal.escrow.milestones):
            actions += [reverse_by_hand] * 2
        if any(i.method == "RefundMilestone" and i.answer for i in deal.caller.intentions):
            actions += [at_stripe, at_stripe, resolve, resolve, write_off]
        if rng.random() < RARELY:
            actions = [give_back_suspense]
        return rng.choice(actions) if actions else None


async def top_up(world: World, currencies: Sequence[str]) -> None:
    for currency in currencies:
        await world.sandbox.control(
            "POST", "balance_transactions", type="topup", amount=PLENTY_MINOR, currency=currency
        )


async def end_refunds(world: World, currencies: Sequence[str]) -> None:
    """No refund waits for money any more, nor for the payer: half of them give their details."""
    await top_up(world, currencies)
    waiting = [
        each["id"]
        for each in await world.sandbox.all_of("/v1/refunds")
        if each["status"] == "requires_action"
    ]
    for number, refund_id in enumerate(sorted(waiting)):
        verb = "cancel" if number % 2 else "succeed"
        await world.sandbox.control("POST", f"refunds/{refund_id}/{verb}")


async def give_back(deal: Deal, rng: random.Random) -> None:
    """A milestone is refunded, whole or in part, now and then by more than there is."""
    with_money = _with_money(deal)
    released = [m for m in with_money if m.released.amount_minor]
    milestone = rng.choice(released * 2 + with_money or list(deal.escrow.milestones))
    request = refund.RefundMilestoneRequest(
        escrow_id=deal.escrow.id, milestone_id=milestone.id, reason="It was broken."
    )
    if rng.random() < 0.75:
        most_minor = (milestone.held.amount_minor + milestone.released.amount_minor) * 11 // 10
        request.amount_minor = deal.currencies.part(rng, most_minor, deal.escrow.currency)
    who = rng.choice(GIVERS)  # the payer may not
    point, plan = rng.random(), None
    if point < PLANNED_SHARE:
        plan = await _plan(deal, request, who)
        if plan and point < CHOSEN_SHARE:
            _choose_sources(request, plan, rng)
            plan = await _plan(deal, request, who)
    if plan:  # maybe it is another one by the time that it is done
        request.plan_hash = plan.hash
    answer = await deal.want("RefundMilestone", who, request, rng)
    deal.saw(answer)
    if plan and answer and list(answer.refund.parts) != list(plan.parts):
        facts = {"planned": str(plan), "done": str(answer.refund)}
        deal.caller.breaches.append(Breach("refunded other than planned", facts))


async def give_back_by_hand(deal: Deal, rng: random.Random) -> None:
    """Support refunds a payment in Stripe's dashboard; an operator may adopt that later."""
    charged = [payment for payment in deal.payments if payment.stripe_charge]
    if not charged:
        return
    payment = rng.choice(charged)
    amount_minor = part_minor(rng, payment.amount.amount_minor, payment.amount.currency)
    form = {"charge": payment.stripe_charge, "amount": str(amount_minor)}
    with suppress(aiohttp.ClientError, AssertionError, ValueError):  # Stripe refuses, or is down
        await deal.sandbox.stripe("POST", "/v1/refunds", **form, **{f"metadata[{BY_HAND}]": "yes"})
    await deal.look(rng)


async def _plan(
    deal: Deal, request: refund.RefundMilestoneRequest, who: Party
) -> refund.RefundPlan | None:
    asked = refund.PlanRefundRequest(
        escrow_id=request.escrow_id, milestone_id=request.milestone_id, sources=request.sources
    )
    if request.HasField("amount_minor"):
        asked.amount_minor = request.amount_minor
    planned = await deal.caller.read("PlanRefund", asked, who)
    return planned.plan if planned else None


def _choose_sources(
    request: refund.RefundMilestoneRequest, plan: refund.RefundPlan, rng: random.Random
) -> None:
    """Takes some of what a plan would take, and nothing else."""
    found: Counter[str] = Counter()
    for part in plan.parts:
        found[part.release_id] += part.price.amount_minor
    chosen = rng.sample(sorted(found.items()), rng.randint(1, len(found)))
    request.ClearField("amount_minor")
    request.sources.extend(
        refund.RefundSource(release_id=release_id, amount_minor=price_minor)
        for release_id, price_minor in chosen
    )


async def resolve(deal: Deal, rng: random.Random) -> None:
    """An operator says what becomes of a refund that failed."""
    found = await _refunds(deal, "state = FAILED")
    if found:
        request = refund.ResolveRefundRequest(
            refund_id=rng.choice(found).id,
            resolution=rng.choice(RESOLUTIONS),
            reason="Their bank said so.",
        )
        await deal.want("ResolveRefund", "operator", request, rng)


async def adopt(deal: Deal, rng: random.Random) -> None:
    """An operator makes one of the dashboard's refunds ours."""
    freezes = _frozen_by_refunds(deal)
    if freezes:
        request = refund.AdoptRefundRequest(
            escrow_id=deal.escrow.id, freeze_id=rng.choice(freezes).id, reason="Support did it."
        )
        deal.saw(await deal.want("AdoptRefund", "operator", request, rng))


async def write_off(deal: Deal, rng: random.Random) -> None:
    asked = refund.ListReceivablesRequest(filter="state = OWED")
    found = await deal.caller.read("ListReceivables", asked, "operator")
    if found is not None and found.receivables:
        request = refund.WriteOffReceivableRequest(
            receivable_id=rng.choice(found.receivables).id, reason="They have gone."
        )
        await deal.want("WriteOffReceivable", "operator", request, rng)


async def give_back_suspense(deal: Deal, rng: random.Random) -> None:
    """What nothing waited for."""
    found = await deal.caller.read("ListSuspense", operator.ListSuspenseRequest(), "operator")
    payments = [each.payment_id for each in found.suspense if each.payment_id] if found else []
    if payments:
        request = refund.RefundSuspenseRequest(
            payment_id=rng.choice(payments), reason="They paid twice."
        )
        await deal.want("RefundSuspense", "operator", request, rng)


async def at_stripe(deal: Deal, rng: random.Random) -> None:
    """Stripe, the payer or their bank does something about a refund."""
    found = [r for r in await _refunds(deal) if r.stripe_refund and r.state in AT_STRIPE]
    if found:
        chosen = rng.choice(found)
        verb = rng.choice(AT_STRIPE[chosen.state])
        await deal.at_stripe(f"refunds/{chosen.stripe_refund}/{verb}")


async def _refunds(deal: Deal, condition: str = "") -> list[refund.Refund]:
    found = await deal.caller.read("ListRefunds", refund.ListRefundsRequest(filter=condition))
    return list(found.refunds) if found else []


def _with_money(deal: Deal) -> list[pb.Milestone]:
    """Of which something is left that can be given back."""
    milestones = deal.escrow.milestones
    return [m for m in milestones if m.held.amount_minor or m.released.amount_minor]


def _frozen_by_refunds(deal: Deal) -> list[pb.Freeze]:
    return [each for each in freezes_of(deal) if each.reason == pb.FREEZE_REASON_REFUND]


Action = Callable[["Deal", random.Random], Awaitable[None]]
