"""What came of disputes is what the parties agreed on, an operator said, or the policy says, worked
out from what clients were answered, and by no code of the service.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from escrow.v1 import dispute_service_pb2 as pb
from escrow.v1 import refund_service_pb2 as refund
from tests.chaos.caller import Breach, Caller, Intention
from tests.chaos.deadlines import Deadlines
from tests.chaos.evidence import check_evidence
from tests.world import World

ENDS = frozenset({"AcceptDisputeSplit", "ResolveDispute", "WithdrawDispute", "RespondToDispute"})
REFUNDS = """
SELECT 'rfn_' || replace(refund_id::text, '-', '') AS id, substr(reason, 9) AS dispute
FROM refunds WHERE reason LIKE 'dispute dsp\\_%'"""
WAITING = (pb.DISPUTE_STATE_OPEN, pb.DISPUTE_STATE_NEGOTIATION)
DIVIDED = (pb.DISPUTE_STATE_RESOLVED, pb.DISPUTE_STATE_DEFAULTED)


async def all_disputes(caller: Caller) -> Sequence[pb.Dispute]:
    """As they are now."""
    answer = await caller.read("ListDisputes", pb.ListDisputesRequest(page_size=200))
    if answer is None or answer.next_page_token or answer.unreadable:
        caller.breaches.append(Breach("disputes are not listed", {"answer": answer}))
        return []
    found: Sequence[pb.Dispute] = answer.disputes
    return found


async def refunds_of_disputes(world: World, caller: Caller) -> Mapping[str, refund.Refund]:
    """What disputes gave back, by the dispute."""
    found = {}
    for row in await world.pool.fetch(REFUNDS):
        request = refund.GetRefundRequest(refund_id=row["id"])
        if answer := await caller.read("GetRefund", request):
            found[row["dispute"]] = answer.refund
    return found


async def released_by_disputes(caller: Caller) -> Counter[str]:
    """How much of each milestone."""
    found: Counter[str] = Counter()
    for dispute in await all_disputes(caller):
        found[dispute.milestone_id] += sum(p.amount_minor for p in dispute.outcome.payees)
    return found


async def check_disagreed(world: World, caller: Caller, deadlines: Deadlines) -> list[Breach]:
    """Every breach there is."""
    asked: dict[str, list[Intention]] = defaultdict(list)
    for intention in caller.intentions:
        dispute_id = getattr(intention.request, "dispute_id", "")
        if dispute_id and intention.answer is not None:
            asked[dispute_id].append(intention)
    back = await refunds_of_disputes(world, caller)
    breaches = []
    for dispute in await all_disputes(caller):
        given = back.get(dispute.id)
        wrong = [*_wrong(dispute, asked[dispute.id], given)]
        overdue = dispute.state in WAITING and not dispute.deadline.refusal
        if deadlines.happen and overdue:
            wrong.append("nobody acted, and nothing happened")
        facts = {"dispute": dispute, "asked": asked[dispute.id], "refund": given}
        breaches += [Breach(what, facts) for what in wrong]
    return breaches + _decided_by_parties(caller) + await check_evidence(world, caller)


def _decided_by_parties(caller: Caller) -> list[Breach]:
    """Who is a party of a dispute decides nothing alone."""
    return [
        Breach("a party has decided", {"asked": each})
        for each in caller.intentions
        if each.method == "ResolveDispute" and each.party != "operator" and each.answer is not None
    ]


def _wrong(
    dispute: pb.Dispute, asked: Sequence[Intention], given: refund.Refund | None
) -> Iterator[str]:
    ended = [each for each in asked if each.method in ENDS and _ended(each)]
    if len(ended) > 1:
        yield "a dispute ended twice"
    to_payer = dispute.outcome.to_payer.amount_minor
    to_payees = sum(each.amount_minor for each in dispute.outcome.payees)
    if dispute.HasField("outcome") is not (dispute.state in DIVIDED):
        yield "a dispute has another outcome than its state"
    left = dispute.amount.amount_minor - dispute.lost.amount_minor
    if dispute.state in DIVIDED and to_payer + to_payees != left:
        yield "what came of a dispute does not add up"
    refunded = sum(part.price.amount_minor for part in given.parts) if given else 0
    if refunded != to_payer:
        yield "a dispute gave back another amount"
    if dispute.state in DIVIDED and to_payer not in _expected(dispute, asked, ended, left):
        yield "a dispute came out otherwise"
    got = {each.payee_id: each.amount_minor for each in dispute.outcome.payees}
    if any(got != named for named in _named(asked, ended)):
        yield "a dispute gave payees other amounts than were named"


def _ended(intention: Intention) -> bool:
    contests = intention.method == "RespondToDispute"
    return not contests or intention.request.answer == pb.DISPUTE_ANSWER_ACCEPT


def _expected(
    dispute: pb.Dispute, asked: Sequence[Intention], ended: Sequence[Intention], left: int
) -> set[int]:
    """What may go back to the payer. What their bank took counts as theirs."""
    claim = min(max(dispute.claim.amount_minor - dispute.lost.amount_minor, 0), left)
    if not ended:  # by the timer, or because nothing was left
        if any(each.method == "RespondToDispute" for each in asked):
            return {left}
        # What a payee has not delivered is mediated.
        return {claim} if dispute.opened_by == "payer" else {claim, left}
    (by,) = ended[:1]
    if by.method == "RespondToDispute":
        return {claim}
    if by.method == "ResolveDispute":
        return {by.request.to_payer_minor}
    return {each.request.to_payer_minor for each in _offers(asked, by)}


def _named(asked: Sequence[Intention], ended: Sequence[Intention]) -> Iterator[dict[str, int]]:
    """What each payee gets, where what was accepted or decided says it."""
    for by in ended[:1]:
        decided = by.method == "ResolveDispute"
        for each in [by] if decided else _offers(asked, by):
            if each.request.payees:
                yield {named.payee_id: named.amount_minor for named in each.request.payees}


def _offers(asked: Sequence[Intention], by: Intention) -> list[Intention]:
    """The offer that was accepted."""
    return [
        each
        for each in asked
        if by.method == "AcceptDisputeSplit"
        and each.method == "ProposeDisputeSplit"
        and each.answer.dispute.offer.number == by.request.offer_number
    ]
