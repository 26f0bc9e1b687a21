"""What is agreed of each milestone is what clients asked for at first, and what both agreed to
since: from their requests, and by no code of the service.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from escrow.v1 import escrow_service_pb2 as pb
from tests.chaos.caller import Breach, Caller, Intention
from tests.chaos.currencies import PRESENTED

PAYER_FEE, PAYEE_FEE = 5, 20  # percent of a price


@dataclass
class Terms:
    """Of a milestone, as the parties said."""

    price_minor: int
    due_at: datetime | None
    payees: Sequence[pb.PayeeShare]


def check_amended(caller: Caller, escrows: Iterable[pb.Escrow]) -> list[Breach]:
    """Each milestone of ``escrows`` as they are now, and that there is no other."""
    terms, breaches = agreed(caller), []
    for escrow in escrows:
        ours = terms.get(escrow.id, {})
        names = {milestone.id for milestone in escrow.milestones}
        if names != ours.keys():
            breaches.append(Breach("other milestones than were agreed", {"escrow": escrow}))
            continue
        for milestone in escrow.milestones:
            wrong = [*_wrong(milestone, ours[milestone.id])]
            facts = {"milestone": milestone, "agreed": ours[milestone.id]}
            breaches += [Breach(what, facts) for what in wrong]
    return [*breaches, *_agreed_alone(caller)]


def _wrong(milestone: pb.Milestone, terms: Terms) -> Iterator[str]:
    if milestone.amount.amount_minor != terms.price_minor:
        yield "another price than was agreed"
    step_minor = PRESENTED[milestone.amount.currency].step_minor
    for fee, percent in ((milestone.payer_fee, PAYER_FEE), (milestone.payee_fee, PAYEE_FEE)):
        exact = Decimal(terms.price_minor * percent) / 100 / step_minor
        if fee.amount_minor != int(exact.quantize(Decimal(1), ROUND_HALF_UP)) * step_minor:
            yield "another fee than of the price"
    if _moment(milestone, "due_time") != terms.due_at:
        yield "another due date than was agreed"


def agreed(caller: Caller) -> dict[str, dict[str, Terms]]:
    """By escrow and milestone."""
    found: dict[str, dict[str, Terms]] = {}
    asked = {
        i.answer.proposal.id: i
        for i in caller.intentions
        if i.method == "ProposeAmendment" and i.answer
    }
    told = [i for i in caller.intentions if i.answer and i.method in CHANGE]
    for intention in sorted(told, key=lambda each: int(each.answer.escrow.etag)):
        if intention.method == "CreateEscrow":
            found[intention.answer.escrow.id] = dict(_created(intention))
        elif intention.method == "ExtendDeadline":
            _extend(found[intention.request.escrow_id], intention)
        elif intention.answer.proposal.state == pb.PROPOSAL_STATE_APPROVED:
            _amend(found[intention.request.escrow_id], asked[intention.answer.proposal.id])
    return found


def terms_of_milestones(caller: Caller) -> Iterator[tuple[str, Terms]]:
    """The same, of all escrows."""
    for of_escrow in agreed(caller).values():
        yield from of_escrow.items()


CHANGE = frozenset({"CreateEscrow", "ExtendDeadline", "ProposeAmendment", "AcceptAmendment"})


def _created(intention: Intention) -> Iterator[tuple[str, Terms]]:
    made = intention.answer.escrow.milestones
    for asked, milestone in zip(intention.request.milestones, made, strict=True):
        yield milestone.id, _terms(asked)


def _terms(asked: Any) -> Terms:  # noqa: ANN401 - MilestoneInput or AddedMilestone
    return Terms(asked.amount_minor, _moment(asked, "due_time"), asked.payees)


def _extend(terms: dict[str, Terms], intention: Intention) -> None:
    """A due date is a deadline, too."""
    request = intention.request
    for deadline in intention.answer.escrow.deadlines:
        if deadline.id == request.deadline_id and deadline.kind == pb.DEADLINE_KIND_DELIVERY:
            terms[deadline.milestone_id].due_at = _moment(request, "due_time")


def _amend(terms: dict[str, Terms], intention: Intention) -> None:
    for wanted in intention.request.milestones:
        if wanted.HasField("amount_minor"):
            terms[wanted.milestone_id].price_minor = wanted.amount_minor
        if wanted.HasField("due_time"):
            terms[wanted.milestone_id].due_at = _moment(wanted, "due_time")
    added = [c for c in intention.answer.proposal.changes if not c.HasField("before")]
    for wanted, change in zip(intention.request.added, added, strict=True):
        terms[change.milestone_id] = _terms(wanted)


def _agreed_alone(caller: Caller) -> Iterator[Breach]:
    """Who asks does not answer: a party alone changes nothing."""
    for intention in caller.intentions:
        if not intention.answer or intention.party == "operator":
            continue
        proposal: Any = getattr(intention.answer, "proposal", None)
        if intention.method == "ProposeAmendment":
            alone = proposal.state == pb.PROPOSAL_STATE_APPROVED
        else:
            accepts = intention.method in ("AcceptAmendment", "ApproveCancellation")
            alone = accepts and proposal.proposed_by == intention.party
        if alone:
            facts = {"request": intention.request, "answer": intention.answer}
            yield Breach("a party agreed with itself", facts)


def _moment(message: Any, name: str) -> datetime | None:  # noqa: ANN401 - any message with it
    moment: datetime = getattr(message, name).ToDatetime(UTC)
    return moment if message.HasField(name) else None
