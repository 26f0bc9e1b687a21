"""What each escrow must have come to, worked out from what clients were answered and what Stripe
lists, and by no code of the service.

A refund stands unless Stripe never made it, or an operator put it back. Of a milestone that was
paid everything is held, released or refunded, and what is refunded are the parts of the refunds
that stand.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.amended import check_amended
from tests.chaos.caller import Breach, Caller
from tests.chaos.charged_back import settled_losses
from tests.chaos.currencies import PRESENTED
from tests.chaos.disagreed import refunds_of_disputes, released_by_disputes
from tests.chaos.listed import is_ours
from tests.chaos.owed import check_owed
from tests.chaos.refunded import put_back
from tests.chaos.splits import check_splits
from tests.chaos.timers import released_by_timer
from tests.scenarios.sandbox_client import Json
from tests.world import World

CANCEL = frozenset({"CancelEscrow", "ApproveCancellation"})
MAKE_REFUNDS = frozenset({"RefundMilestone", "RefundSuspense", "AdoptRefund"})
RELEASE = frozenset({"ReleaseMilestone", "AcceptDelivery"})
HOLDING = (pb.MILESTONE_STATE_FUNDED, pb.MILESTONE_STATE_DELIVERED)
OF_PAYEE = (pb.MILESTONE_STATE_RELEASING, pb.MILESTONE_STATE_RELEASED)
OF_PAYER = (pb.MILESTONE_STATE_REFUNDING, pb.MILESTONE_STATE_REFUNDED)
UNPAID = (
    pb.MILESTONE_STATE_AWAITING_FUNDS,
    pb.MILESTONE_STATE_CANCELED,
    pb.MILESTONE_STATE_EXPIRED,
)
FEE_HELD = """
SELECT split_part(account, ':', 3) AS milestone, -sum(amount_minor)::bigint AS held_minor
FROM entries WHERE account LIKE 'liab:escrow:%:fee_held' GROUP BY 1"""


class Back(NamedTuple):
    """A part of a milestone that is with the payer again, or is to be."""

    price_minor: int
    released_minor: int
    """What of that had been released."""


async def check_expected(world: World, caller: Caller, *, converts: bool) -> list[Breach]:
    """Every escrow that clients know of, milestone by milestone."""
    listed = await world.sandbox.all_of("/v1/refunds")
    of_disputes = (await refunds_of_disputes(world, caller)).values()
    told = [*_told(caller), *await _of_cancellations(caller), *of_disputes]
    standing = [*_standing(caller, told, listed)]
    losses = await settled_losses(caller)
    back, lost = _back(standing), _back(losses)
    by_others = await released_by_timer(world.pool) + await released_by_disputes(caller)
    released = _released(caller, by_others)
    fees = {row[0]: row[1] for row in await world.pool.fetch(FEE_HELD)}
    escrows = await _read(caller)
    breaches = []
    for escrow_id, escrow in escrows.items():
        if escrow is None:
            breaches.append(Breach("an escrow cannot be read", {"id": escrow_id}))
            continue
        for milestone in escrow.milestones:
            gone = back[milestone.id], lost[milestone.id]
            wrong = [
                *_wrong_amounts(milestone, *gone, released.get(milestone.id, 0)),
                *_wrong_fee(milestone, [*gone[0], *gone[1]], fees.get(milestone.id, 0)),
            ]
            facts = {"milestone": milestone, "refunded": gone[0], "charged back": gone[1]}
            facts["released"] = released
            breaches += [Breach(what, facts) for what in wrong]
    readable = [*filter(None, escrows.values())]
    breaches += check_amended(caller, readable)
    breaches += check_splits(caller, readable, [*standing, *losses])
    if not converts:
        breaches += await check_owed(world, caller, readable)
    return breaches


async def _read(caller: Caller) -> dict[str, pb.Escrow | None]:
    """Every escrow as it is now."""
    found: dict[str, pb.Escrow | None] = {}
    for intention in caller.intentions:
        if intention.method == "CreateEscrow" and intention.answer:
            request = pb.GetEscrowRequest(escrow_id=intention.answer.escrow.id)
            answer = await caller.read("GetEscrow", request)
            found[request.escrow_id] = answer.escrow if answer else None
    return found


def _told(caller: Caller) -> Iterator[refund.Refund]:
    """The refunds that clients asked for, as they were told of them."""
    for intention in caller.intentions:
        if intention.method in MAKE_REFUNDS and intention.answer:
            yield intention.answer.refund


async def _of_cancellations(caller: Caller) -> list[refund.Refund]:
    """Those that cancellations have made."""
    found = []
    for refund_id in refunds_of_cancellations(caller):
        request = refund.GetRefundRequest(refund_id=refund_id)
        if answer := await caller.read("GetRefund", request):
            found.append(answer.refund)
    return found


def refunds_of_cancellations(caller: Caller) -> list[str]:
    """Cancellations tell of the refunds that they have made by their ids."""
    return [
        refund_id
        for intention in caller.intentions
        if intention.method in CANCEL and intention.answer
        for refund_id in intention.answer.refunded.refund_ids
    ]


def _standing(
    caller: Caller, told: Iterable[refund.Refund], listed: Iterable[Json]
) -> Iterator[refund.Refund]:
    """Those of them that were not undone."""
    made: dict[str, list[Json]] = defaultdict(list)
    for shown in listed:
        made[shown["metadata"]["refund"] if is_ours(shown) else shown["id"]].append(shown)
    undone = put_back(caller)
    for each in told:
        if made[each.id] + made[each.stripe_refund] and each.id not in undone:
            yield each


def _back(refunds: Iterable[refund.Refund]) -> dict[str, list[Back]]:
    """By milestone."""
    found: dict[str, list[Back]] = defaultdict(list)
    for each in refunds:
        for part in each.parts:
            price_minor = part.price.amount_minor
            released_minor = price_minor if part.release_id else 0
            found[part.milestone_id].append(Back(price_minor, released_minor))
    return found


def _released(caller: Caller, by_others: Mapping[str, int]) -> dict[str, int | None]:
    """How much of a milestone was released, if clients have said so each time. What the timer
    released was held and not frozen, and due (timers.py), and what disputes did (disagreed.py).
    """
    found: dict[str, int | None] = {**by_others}
    for intention in caller.intentions:
        if intention.method not in RELEASE or not intention.answer:
            continue
        request, before = intention.request, found.get(intention.request.milestone_id, 0)
        said = intention.method == "ReleaseMilestone" and request.HasField("amount_minor")
        found[request.milestone_id] = (
            before + request.amount_minor if said and before is not None else None
        )
    return found


def _wrong_amounts(
    milestone: pb.Milestone, gone: Sequence[Back], lost: Sequence[Back], released_minor: int | None
) -> Iterator[str]:
    funded_minor = milestone.funded.amount_minor
    held, released = milestone.held.amount_minor, milestone.released.amount_minor
    refunded, frozen = milestone.refunded.amount_minor, milestone.frozen.amount_minor
    if funded_minor not in (0, milestone.amount.amount_minor):
        yield "a milestone is paid in part"
    charged_back = milestone.charged_back.amount_minor
    parts = held, released, refunded, charged_back
    if sum(parts) != funded_minor or min(parts) < 0:
        yield "a milestone does not add up"
    if refunded != sum(each.price_minor for each in gone):
        yield "refunded otherwise"
    if charged_back != sum(each.price_minor for each in lost):
        yield "charged back otherwise"
    if released_minor is not None and released != released_minor - sum(
        each.released_minor for each in (*gone, *lost)
    ):
        yield "released otherwise"
    if frozen > held or frozen != sum(each.amount.amount_minor for each in milestone.freezes):
        yield "frozen otherwise than listed"
    if milestone.state not in _states(held, released, refunded + charged_back):
        yield "a milestone is in another state than its money"


def _states(held: int, released: int, back: int) -> Sequence[pb.MilestoneState.ValueType]:
    if held:
        return HOLDING
    if released:
        return OF_PAYEE
    return OF_PAYER if back else UNPAID


def _wrong_fee(milestone: pb.Milestone, gone: Sequence[Back], held_minor: int) -> Iterator[str]:
    """The payer's fee is held in the proportion of the price: each part may round it by a step."""
    price_minor, fee_minor = milestone.amount.amount_minor, milestone.payer_fee.amount_minor
    exact = Fraction(fee_minor * milestone.held.amount_minor, price_minor)
    step_minor = PRESENTED[milestone.amount.currency].step_minor
    parts = len(gone) + 1 if milestone.held.amount_minor else 0
    if abs(held_minor - exact) > parts * step_minor:
        yield "the payer's fee is held otherwise"
