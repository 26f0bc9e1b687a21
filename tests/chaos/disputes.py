"""The parties disagree: they dispute what is held, answer or do not, offer, agree, ask for an
operator, withdraw, and give evidence. Where time passes, the policy decides what nobody has. What
an operator gives back above a limit waits for a second one (approvals.py).

Not in every seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import escrow_service_pb2 as escrow_pb
from tests.chaos.caller import Party

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.5  # of the seeds
STEP_SHARE = 0.3  # of the steps of these
DISPUTED_SHARE = 0.6  # of the steps where something is disputed
NAMED_SHARE = 0.5  # of the offers, where there are several payees
HOLDING = (escrow_pb.MILESTONE_STATE_FUNDED, escrow_pb.MILESTONE_STATE_DELIVERED)
EITHER: tuple[Party, ...] = ("payer", "payee")
REASONS = (
    pb.DISPUTE_REASON_NOT_DELIVERED,
    pb.DISPUTE_REASON_NOT_AS_AGREED,
    pb.DISPUTE_REASON_LATE,
)
# The same party gives the same file once, and another one may give it, too.
FILES = (b"%PDF-1.7 a contract", b"\x89PNG\r\n\x1a\n a picture", b"A letter.", b"MZ a program")


class Disputes:
    """Those of one seed, as the marketplace last heard of them, by their ids."""

    def __init__(self, seed: int) -> None:
        self.happen = random.Random(f"{seed} arguments").random() < SEED_SHARE
        self.names = random.Random(f"{seed} named offers")
        self.seen: dict[str, pb.Dispute] = {}

    def choose(self, deal: Deal, rng: random.Random) -> Action | None:
        """What a party, or an operator, does about a disagreement, if they do anything."""
        if not self.happen:
            return None
        is_disputed = bool(disputed(deal.escrow))
        if rng.random() >= (DISPUTED_SHARE if is_disputed else STEP_SHARE):
            return None
        actions: list[Action] = []
        if any(each.state in HOLDING for each in deal.escrow.milestones):
            actions += [dispute_some]
        if is_disputed:
            actions += [respond, respond, offer, offer, accept, accept, mediate, withdraw]
            actions += [resolve, resolve, give, give]
            actions += [resolve] * 4 if deal.approvals.happen else []
        return rng.choice(actions) if actions else None

    def saw(self, answer: Any) -> None:  # noqa: ANN401 - of any method that tells a dispute
        if answer is not None:
            self.seen[answer.dispute.id] = answer.dispute


def disputed(escrow: escrow_pb.Escrow) -> list[str]:
    """The ids of what is disputed now: each has a freeze."""
    return [
        each.source
        for milestone in escrow.milestones
        for each in milestone.freezes
        if each.reason == escrow_pb.FREEZE_REASON_DISPUTE
    ]


async def dispute_some(deal: Deal, rng: random.Random) -> None:
    """All that is held, or a part of it; now and then more."""
    holding = [each for each in deal.escrow.milestones if each.state in HOLDING]
    milestone = rng.choice(holding or list(deal.escrow.milestones))
    request = pb.OpenDisputeRequest(
        escrow_id=deal.escrow.id,
        milestone_id=milestone.id,
        dispute_reason=rng.choice(REASONS),
        statement="It is not what I bought.",
    )
    currency = deal.escrow.currency
    if rng.random() < 0.6:
        most_minor = milestone.held.amount_minor * 11 // 10
        request.amount_minor = deal.currencies.part(rng, most_minor, currency)
        if rng.random() < 0.4:
            request.to_payer_minor = deal.currencies.part(rng, request.amount_minor, currency)
    who = rng.choice(EITHER)
    if milestone.state == escrow_pb.MILESTONE_STATE_FUNDED and rng.random() < 0.8:
        who = "payer"  # a payee disputes what they have delivered
    await _want(deal, "OpenDispute", who, request, rng)


async def respond(deal: Deal, rng: random.Random) -> None:
    """The other one, for the most part; a third of them give in."""
    if known := _some(deal, rng):
        yields = rng.random() < 0.3
        request = pb.RespondToDisputeRequest(
            escrow_id=deal.escrow.id,
            dispute_id=known.id,
            answer=pb.DISPUTE_ANSWER_ACCEPT if yields else pb.DISPUTE_ANSWER_CONTEST,
            statement="It is as agreed.",
        )
        who: Party = "payee" if known.opened_by == "payer" else "payer"
        if rng.random() < 0.15:
            who = rng.choice(EITHER)
        await _want(deal, "RespondToDispute", who, request, rng)


async def offer(deal: Deal, rng: random.Random) -> None:
    if known := _some(deal, rng):
        to_payer_minor = _part(deal, known, rng)
        request = pb.ProposeDisputeSplitRequest(
            escrow_id=deal.escrow.id,
            dispute_id=known.id,
            to_payer_minor=to_payer_minor,
            payees=_named(deal, known, to_payer_minor),
        )
        await _want(deal, "ProposeDisputeSplit", rng.choice(EITHER), request, rng)


async def accept(deal: Deal, rng: random.Random) -> None:
    """The offer that one has seen; it may be another by now."""
    if known := _some(deal, rng):
        request = pb.AcceptDisputeSplitRequest(
            escrow_id=deal.escrow.id, dispute_id=known.id, offer_number=known.offer.number or 1
        )
        await _want(deal, "AcceptDisputeSplit", rng.choice(EITHER), request, rng)


async def mediate(deal: Deal, rng: random.Random) -> None:
    if known := _some(deal, rng):
        request = pb.RequestMediationRequest(escrow_id=deal.escrow.id, dispute_id=known.id)
        await _want(deal, "RequestMediation", rng.choice(EITHER), request, rng)


async def withdraw(deal: Deal, rng: random.Random) -> None:
    if known := _some(deal, rng):
        request = pb.WithdrawDisputeRequest(escrow_id=deal.escrow.id, dispute_id=known.id)
        await _want(deal, "WithdrawDispute", rng.choice(EITHER), request, rng)


async def resolve(deal: Deal, rng: random.Random) -> None:
    """By an operator, for the most part: parties decide nothing alone."""
    if known := _some(deal, rng):
        request = pb.ResolveDisputeRequest(
            escrow_id=deal.escrow.id,
            dispute_id=known.id,
            to_payer_minor=_part(deal, known, rng),
            reason="I looked at it.",
        )
        who: Party = "operator" if rng.random() < 0.9 else rng.choice(EITHER)
        await _want(deal, "ResolveDispute", who, request, rng)


async def give(deal: Deal, rng: random.Random) -> None:
    """A note, a file, or both; some files are none that we take, and some disputes are over."""
    if known := _some(deal, rng):
        content = b"" if rng.random() < 0.3 else rng.choice(FILES)
        request = pb.AddDisputeEvidenceRequest(
            escrow_id=deal.escrow.id,
            dispute_id=known.id,
            content=content,
            file_name="proof" if content and rng.random() < 0.5 else "",
            note="Look at it." if not content or rng.random() < 0.5 else "",
        )
        who = rng.choice([*EITHER, *EITHER, "operator"])
        request.reason = "They sent it by post." if who == "operator" else ""
        await deal.want("AddDisputeEvidence", who, request, rng)


def _some(deal: Deal, rng: random.Random) -> pb.Dispute | None:
    """One of this escrow: mostly one that is open."""
    ours = [each for each in deal.disputes.seen.values() if each.escrow_id == deal.escrow.id]
    open_ = [each for each in ours if each.id in disputed(deal.escrow)]
    chosen = open_ if open_ and rng.random() < 0.9 else ours
    return rng.choice(chosen) if chosen else None


def _part(deal: Deal, known: pb.Dispute, rng: random.Random) -> int:
    if rng.random() < 0.35:
        return rng.choice([0, known.amount.amount_minor, known.amount.amount_minor])
    return deal.currencies.part(rng, known.amount.amount_minor, deal.escrow.currency)


def _named(deal: Deal, known: pb.Dispute, to_payer_minor: int) -> list[pb.DisputeShare]:
    """In half of them the rest by name, where there are several payees: to each in any order all
    that is held for them, as far as it goes.
    """
    rng = deal.disputes.names
    if rng.random() >= NAMED_SHARE:
        return []
    (milestone,) = [each for each in deal.escrow.milestones if each.id == known.milestone_id]
    held: Counter[str] = Counter()
    for each in milestone.payees:
        held[each.payee_id] += each.held.amount_minor
    left_minor = known.amount.amount_minor - known.lost.amount_minor - to_payer_minor
    shares = []
    for payee_id in rng.sample(sorted(held), len(held)):
        if (minor := min(held[payee_id], left_minor)) > 0:
            left_minor -= minor
            shares.append(pb.DisputeShare(payee_id=payee_id, amount_minor=minor))
    return shares


async def _want(deal: Deal, method: str, who: Party, request: Any, rng: random.Random) -> None:  # noqa: ANN401 - of any of these methods
    answer = await deal.want(method, who, request, rng)
    deal.saw(answer)
    deal.disputes.saw(answer)


Action = Callable[["Deal", random.Random], Awaitable[None]]
