"""What is above a limit was done where a second person has approved it, and nowhere else."""

from collections import Counter
from collections.abc import Iterator

from escrow.v1.money_pb2 import Money
from tests.chaos.approvals import REFUNDS, REPAIRS, WRITE_OFFS, Approvals
from tests.chaos.caller import Breach, Caller, Intention
from tests.chaos.currencies import PRESENTED
from tests.world import World

APPROVALS = "SELECT state, count(*) FROM approvals GROUP BY 1"
# The limit of each method, as a multiple of the least payment of the currency.
LIMITS = {
    "RefundMilestone": REFUNDS,
    "CancelEscrow": REFUNDS,
    "ResolveDispute": REFUNDS,
    "RefundSuspense": REPAIRS,
    "WriteOffReceivable": WRITE_OFFS,
    "SettleChargeback": WRITE_OFFS,
}
ASKED_BY_OPERATORS = frozenset({"CancelEscrow"})  # parties cancel within their rights


async def check_approved(world: World, caller: Caller, approvals: Approvals) -> list[Breach]:
    """Every breach there is; clients have been told what became of all that they asked for."""
    approved = {i.request.approval_id for i in caller.intentions if _is(i, "Approve")}
    rejected = {i.request.approval_id for i in caller.intentions if _is(i, "Reject")}
    breaches = []
    settled = Counter(
        i.request.chargeback_id for i in caller.intentions if _is(i, "SettleChargeback")
    )
    again = {id_ for id_, times in settled.items() if times > 1}
    for intention in caller.intentions:
        wrong = [*_wrong(intention, approved, rejected, again)] if approvals.happen else []
        facts = {"request": intention.request, "answer": intention.answer}
        facts |= {"refusal": intention.refusal, "approval": intention.approval_id}
        breaches += [Breach(what, facts) for what in wrong]
    told = Counter(APPROVED=len(approved), REJECTED=len(rejected))
    waited = {i.approval_id for i in caller.intentions} - {""}
    there = Counter({row[0]: row[1] for row in await world.pool.fetch(APPROVALS)})
    # A client whose answer was lost was not told of its approval, so there may be more than told.
    if any(there[state] != told[state] for state in told) or there.total() < len(waited):
        breaches.append(Breach("other approvals than were told", {"is": there, "told": told}))
    return breaches


def _is(intention: Intention, method: str) -> bool:
    return intention.method == method and intention.answer is not None


def _wrong(
    intention: Intention, approved: set[str], rejected: set[str], again: set[str]
) -> Iterator[str]:
    """``again`` are the chargebacks that were settled anew, by which less moves than is settled."""
    is_approved = intention.approval_id in approved
    if is_approved and intention.answer is None:
        yield "approved and not done"
    if is_approved and intention.approval_id in rejected:
        yield "approved and rejected"
    anew = intention.method == "SettleChargeback" and intention.request.chargeback_id in again
    done = intention.answer is not None and not anew
    if done and not is_approved and _is_above(intention):
        yield "done above the limit, and not approved"


def _is_above(intention: Intention) -> bool:
    """Whether what clients were told of it is above the limit of its method."""
    times = LIMITS.get(intention.method)
    if times is None:
        return False
    if intention.method in ASKED_BY_OPERATORS and intention.party != "operator":
        return False
    moved = _moved(intention)
    of = PRESENTED.get(moved.currency)  # where nothing is settled there is none
    return of is not None and moved.amount_minor > times * of.least_minor


def _moved(intention: Intention) -> Money:
    answer = intention.answer
    moved: Money
    if intention.method == "CancelEscrow":
        moved = answer.refunded.amount
    elif intention.method == "ResolveDispute":  # what is released counts as well
        outcome = answer.dispute.outcome
        moved = Money(
            amount_minor=outcome.to_payer.amount_minor
            + sum(each.amount_minor for each in outcome.payees),
            currency=answer.dispute.amount.currency,
        )
    elif intention.method == "SettleChargeback":
        moved = answer.chargeback.settled
    elif intention.method == "WriteOffReceivable":
        moved = answer.receivable.written_off
    else:
        moved = answer.refund.amount
    return moved
