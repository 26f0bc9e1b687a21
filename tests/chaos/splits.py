"""Milestones of several payees: what is agreed, who is redirected, and what each must have got.

Not in every seed. The last payee there is never gets onboarded: what is theirs waits, or is given
to another.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.amended import terms_of_milestones
from tests.chaos.caller import Breach, Caller
from tests.chaos.currencies import PRESENTED

if TYPE_CHECKING:
    from tests.chaos.deal import Deal

SEED_SHARE = 0.5  # of the seeds
SPLIT_SHARE = 0.6  # of the milestones of these
BASIS_SHARE = 0.5  # of the shares; the others are amounts
STEP_SHARE = 0.1  # of the steps somebody is redirected
WHOLE = 10_000  # basis points


class Splits:
    """Those of one seed."""

    def __init__(self, seed: int) -> None:
        self.happen = random.Random(f"{seed} splits").random() < SEED_SHARE

    def agree(
        self, rng: random.Random, price_minor: int, currency: str, payees: Sequence[party.Payee]
    ) -> list[pb.PayeeShare]:
        """Two or three of the payees, or nobody: then it is for the escrow's payee alone."""
        if not self.happen or rng.random() >= SPLIT_SHARE:
            return []
        chosen = rng.sample(list(payees), rng.randint(2, len(payees)))
        step_minor = PRESENTED[currency].step_minor
        for_the_rest = rng.choice(chosen)
        return [
            pb.PayeeShare(payee_id=payee.id)
            if payee is for_the_rest
            else _share(rng, payee, price_minor, step_minor)
            for payee in chosen
        ]

    def choose(self, deal: Deal, rng: random.Random) -> bool:
        """Whether an operator redirects somebody now."""
        return self.happen and rng.random() < STEP_SHARE and bool(_split(deal))


def _share(
    rng: random.Random, payee: party.Payee, price_minor: int, step_minor: int
) -> pb.PayeeShare:
    """At most two of five parts of the price, so that a rest is left of any two."""
    if rng.random() < BASIS_SHARE:
        return pb.PayeeShare(payee_id=payee.id, basis_points=rng.randint(500, WHOLE * 2 // 5))
    most = max(1, price_minor * 2 // 5 // step_minor)
    return pb.PayeeShare(payee_id=payee.id, amount_minor=rng.randint(1, most) * step_minor)


async def redirect(deal: Deal, rng: random.Random) -> None:
    """Of who cannot be paid, for the most part: the others are refused."""
    milestone = rng.choice(_split(deal))
    payees = list(milestone.payees)
    waiting = [each for each in payees if each.payee_id == deal.payees[-1].id]
    request = pb.RedirectShareRequest(
        escrow_id=deal.escrow.id,
        milestone_id=milestone.id,
        payee_id=rng.choice(waiting * 5 + payees).payee_id,
        to_payee_id=rng.choice(deal.payees).id,
        reason="They have gone.",
    )
    deal.saw(await deal.want("RedirectShare", "operator", request, rng))


def _split(deal: Deal) -> list[pb.Milestone]:
    return [milestone for milestone in deal.escrow.milestones if milestone.payees]


# --- what must hold


def released_to(escrow: pb.Escrow, milestone: pb.Milestone) -> Iterator[tuple[str, int]]:
    """What of a price was released to whom, and was not refunded."""
    if not milestone.payees:
        yield escrow.payee_id, milestone.released.amount_minor
    for each in milestone.payees:
        yield each.payee_id, each.released.amount_minor


def check_splits(
    caller: Caller, escrows: Iterable[pb.Escrow], standing: Iterable[refund.Refund]
) -> list[Breach]:
    """Each payee of each milestone of ``escrows`` as they are now. ``standing`` are the refunds
    that have taken place.
    """
    agreed = {name: each.payees for name, each in terms_of_milestones(caller) if each.payees}
    redirected = {
        i.request.milestone_id
        for i in caller.intentions
        if i.method == "RedirectShare" and i.answer
    }
    back = _back_from(standing)
    breaches = []
    for escrow in escrows:
        for milestone in escrow.milestones:
            wrong = [*_adds_up(milestone, back)]
            if milestone.id in agreed and milestone.id not in redirected:
                wrong += _as_agreed(milestone, agreed[milestone.id])
            facts = {"milestone": milestone, "agreed": agreed.get(milestone.id), "back": back}
            breaches += [Breach(what, facts) for what in wrong]
    return breaches


def _back_from(standing: Iterable[refund.Refund]) -> Mapping[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for each in standing:
        for part in each.parts:
            found[part.milestone_id, part.payee_id] += part.price.amount_minor
    return found


def _adds_up(milestone: pb.Milestone, back: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """The parts are the milestone, and each part is held, released or back with the payer."""
    if not milestone.payees:
        return
    for name in ("amount", "payee_fee", "released"):
        parts = sum(getattr(each, name).amount_minor for each in milestone.payees)
        if parts != getattr(milestone, name).amount_minor:
            yield f"the parts of a milestone are not its {name}"
    if not milestone.funded.amount_minor:
        return
    if sum(each.held.amount_minor for each in milestone.payees) != milestone.held.amount_minor:
        yield "the parts of a milestone are not what is held"
    for each in milestone.payees:
        gone = each.released.amount_minor + back[milestone.id, each.payee_id]
        if each.redirected_from_payee_id or _gave(milestone, each.payee_id):
            continue  # what was refunded before is told of whose it was then
        if each.held.amount_minor + gone != each.amount.amount_minor:
            yield "a payee's part does not add up"


def _gave(milestone: pb.Milestone, payee_id: str) -> bool:
    return any(each.redirected_from_payee_id == payee_id for each in milestone.payees)


def _as_agreed(milestone: pb.Milestone, shares: Sequence[pb.PayeeShare]) -> Iterator[str]:
    """Amounts exactly, shares and the rest to the step."""
    price_minor = milestone.amount.amount_minor
    step_minor = PRESENTED[milestone.amount.currency].step_minor
    exact: dict[str, Fraction] = {}
    for share in shares:
        if share.HasField("amount_minor"):
            exact[share.payee_id] = Fraction(share.amount_minor)
        elif share.HasField("basis_points"):
            exact[share.payee_id] = Fraction(price_minor * share.basis_points, WHOLE)
    for share in shares:
        if share.payee_id not in exact:
            exact[share.payee_id] = price_minor - sum(exact.values(), Fraction(0))
    fixed = {share.payee_id for share in shares if share.HasField("amount_minor")}
    told = {each.payee_id: each.amount.amount_minor for each in milestone.payees}
    if told.keys() != exact.keys():
        yield "other payees than were agreed"
        return
    for payee_id, part_minor in told.items():
        off = abs(part_minor - exact[payee_id])
        if off >= step_minor or (off and payee_id in fixed):
            yield "another part than was agreed"
