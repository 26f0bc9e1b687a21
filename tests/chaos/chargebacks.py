"""What operators do about what payers' banks take back: they say who bears it, at once or later,
twice at a time, and again otherwise; and they give evidence.

Not in every seed, but what is lost is settled at the end of each.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from escrow.client import new_request_id
from escrow.v1 import approval_service_pb2 as approval
from escrow.v1 import chargeback_service_pb2 as pb
from escrow.v1 import policy_service_pb2 as policy
from tests.chaos.caller import NEEDED, Breach, Caller, Intention

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.35  # of the seeds
STEP_SHARE = 0.35  # of the steps of these
DISPUTES_SHARE = 0.5  # of what strangers do in these
MOST_LISTED = 200
MOST_ROUNDS = 4  # a transfer may be just reversed for what is taken back
FITTING_SHARE = 0.8  # of the settlements; the others are of what is not to be settled
PLATFORM_SHARE = 0.35
ANEW_SHARE = 0.3
EARLY_SHARE = 0.4  # as a precaution, where the bank has not decided
DRY_SHARE = 0.2
CHOSEN_SHARE = 0.2
BOTH_SHARE = 0.2
FEE_SHARE = 0.4  # of the settlements say who bears the fee
CARD_SHARE = 0.15  # of the payments are by a card whose holder disputes them
CARDS = (
    "pm_card_createDispute",
    "pm_card_createDisputeProductNotReceived",
    "pm_card_createDisputeInquiry",
    "pm_card_createMultipleDisputes",
)
# These decide at once, as Stripe's test mode does; the others wait for the bank.
TEXTS = (
    "winning_evidence",
    "losing_evidence",
    "escalate_inquiry_evidence",
    *["They have used it."] * 3,
)


class Chargebacks:
    """Those of one seed."""

    def __init__(self, seed: int) -> None:
        self.happen = random.Random(f"{seed} chargebacks").random() < SEED_SHARE

    @property
    def disputes_share(self) -> float:
        """How much of what strangers do is about disputes, beside what it is in any seed."""
        return DISPUTES_SHARE if self.happen else 0.0

    def cards(self, rng: random.Random, usual: Sequence[str]) -> Sequence[str]:
        """Those that a payer pays with."""
        return CARDS if self.happen and rng.random() < CARD_SHARE else usual

    def choose(self, deal: Deal, rng: random.Random) -> Action | None:
        """What an operator does about chargebacks, if they do anything."""
        charged = any(payment.stripe_charge for payment in deal.payments)
        if not self.happen or not charged or rng.random() >= STEP_SHARE:
            return None
        return rng.choice([settle, settle, settle, argue])


async def settle(deal: Deal, rng: random.Random) -> None:
    """An operator says who bears what is gone, rightly or not; now and then two do at once."""
    found = await read_all(deal.caller, f'escrow_id = "{deal.escrow.id}"')
    if not found:
        return
    unsettled = [each for each in found if each.unsettled]
    chosen = rng.choice(unsettled if unsettled and rng.random() < FITTING_SHARE else found)
    request = pb.SettleChargebackRequest(
        chargeback_id=chosen.id,
        reason="The bank decided.",
        anew=rng.random() < ANEW_SHARE,
        before_outcome=rng.random() < EARLY_SHARE,
    )
    if rng.random() < PLATFORM_SHARE:  # of more than there is, in part, or of all
        whole_minor = chosen.amount.amount_minor
        part_minor = deal.currencies.part(rng, whole_minor, deal.escrow.currency)
        request.platform_minor = rng.choice([part_minor, whole_minor, whole_minor, whole_minor * 2])
    if rng.random() < FEE_SHARE:
        bearers = policy.DISPUTE_FEE_BEARER_PLATFORM, policy.DISPUTE_FEE_BEARER_PAYEE
        request.dispute_fee = rng.choice(bearers)
    tried = await _try(deal, request) if rng.random() < DRY_SHARE + CHOSEN_SHARE else None
    if tried and rng.random() < CHOSEN_SHARE / (DRY_SHARE + CHOSEN_SHARE):
        _choose_sources(request, tried)
    elif tried:
        return
    both = [request]
    if rng.random() < BOTH_SHARE:
        other = pb.SettleChargebackRequest(chargeback_id=chosen.id, reason="I decided as well.")
        both.append(other)
    told = await asyncio.gather(
        *(deal.want("SettleChargeback", "operator", each, rng) for each in both)
    )
    for answer in told:
        deal.saw(answer)


async def _try(
    deal: Deal, request: pb.SettleChargebackRequest
) -> pb.SettleChargebackResponse | None:
    """What would be done, which does nothing."""
    tried = pb.SettleChargebackRequest()
    tried.CopyFrom(request)
    tried.request_id, tried.validate_only = new_request_id(), True
    answer: pb.SettleChargebackResponse | None
    answer = await deal.caller.read("SettleChargeback", tried, "operator")
    return answer


def _choose_sources(
    request: pb.SettleChargebackRequest, tried: pb.SettleChargebackResponse
) -> None:
    """Names what it would take by itself."""
    request.platform_minor = _borne_by_platform(tried)
    for part in tried.taken.parts:
        if part.milestone_id:
            request.sources.add(
                milestone_id=part.milestone_id,
                release_id=part.release_id,
                payee_id="" if part.release_id else part.payee_id,
                amount_minor=part.price.amount_minor,
            )


def _borne_by_platform(tried: pb.SettleChargebackResponse) -> int:
    """In the currency of what was taken; of a converted payment it may not add up."""
    return tried.chargeback.borne_by_platform.amount_minor


async def argue(deal: Deal, rng: random.Random) -> None:
    """An operator gives evidence, as they saw it before, which somebody may change meanwhile."""
    found = await read_all(deal.caller, f'escrow_id = "{deal.escrow.id}"')
    if not found:
        return
    waiting = (pb.CHARGEBACK_STATE_NEEDS_RESPONSE, pb.CHARGEBACK_STATE_INQUIRY)
    chosen = rng.choice([each for each in found if each.state in waiting] or found)
    if rng.random() < 0.5:
        staged = pb.StageChargebackEvidenceRequest(
            chargeback_id=chosen.id,
            evidence={"uncategorized_text": rng.choice(TEXTS)},
            reason="They are wrong.",
        )
        await deal.want("StageChargebackEvidence", "operator", staged, rng)
    asked = pb.PreviewChargebackEvidenceRequest(chargeback_id=chosen.id)
    seen = await deal.caller.read("PreviewChargebackEvidence", asked, "operator")
    if seen is not None:
        request = pb.SubmitChargebackEvidenceRequest(
            chargeback_id=chosen.id, evidence_hash=seen.evidence.hash, reason="They are wrong."
        )
        await deal.want("SubmitChargebackEvidence", "operator", request, rng)


async def read_all(caller: Caller, condition: str = "") -> list[pb.Chargeback]:
    """Every chargeback that an operator is shown; a seed has fewer than a page."""
    request = pb.ListChargebacksRequest(page_size=MOST_LISTED, filter=condition)
    answer = await caller.read("ListChargebacks", request, "operator")
    return list(answer.chargebacks) if answer else []


async def end_chargebacks(caller: Caller, drain: Callable[[], Awaitable[None]]) -> bool:
    """Operators settle everything that is lost, as the policy says; what does not add up that way
    is the platform's. ``drain`` waits for what comes of it. Answers whether there was anything.
    """
    refusals: dict[str, str] = {}
    for number in range(MOST_ROUNDS):
        unsettled = await read_all(caller, "unsettled = true")
        if not unsettled:
            return number > 0
        for each in unsettled:
            refusals[each.id] = await _settle_now(caller, each)
        await drain()
    left = await read_all(caller, "unsettled = true")
    caller.breaches += [
        Breach("never settled", {"chargeback": str(each), "why": refusals.get(each.id)})
        for each in left
    ]
    return True


async def _settle_now(caller: Caller, known: pb.Chargeback) -> str:
    """The refusal; empty when it was done."""
    request = pb.SettleChargebackRequest(
        chargeback_id=known.id, reason="The day is over.", anew=known.HasField("settle_time")
    )
    done = await _want_approved(caller, request)
    if done.refusal == "SETTLEMENT_DOES_NOT_ADD_UP":
        left = pb.SettleChargebackRequest()
        left.CopyFrom(request)
        wanted, found = (int(done.facts[name]) for name in ("amount_minor", "found_minor"))
        left.platform_minor = wanted - found
        done = await _want_approved(caller, left)
    return done.refusal


async def _want_approved(caller: Caller, request: pb.SettleChargebackRequest) -> Intention:
    """Of what is above the limit a second person is asked."""
    intention = await caller.want("SettleChargeback", "operator", request)
    if intention.refusal != NEEDED:
        return intention
    asked = approval.GetApprovalRequest(approval_id=intention.approval_id)
    found = await caller.read("GetApproval", asked, "approver")
    if found is not None:
        yes = approval.ApproveRequest(
            approval_id=intention.approval_id,
            plan_hash=found.approval.plan_hash,
            reason="I looked at it.",
        )
        await caller.want("Approve", "approver", yes)
        await caller.send(intention)
    return intention


Action = Callable[["Deal", random.Random], Awaitable[None]]
