"""An escrow as it was: its rows of now, without what came later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from service.domain.accounts import HELD
from service.domain.amendment import changes_of
from service.domain.records.escrow import Milestone
from service.domain.records.proposal import Proposal, ProposalKind
from service.domain.states.proposal import ProposalState
from service.operations.explanation.rehearsal import copied
from service.store.explained import Movement
from service.store.tables import EscrowRecords

# The children whose states are in the timeline.
WITH_STATES = (
    "milestones",
    "payments",
    "releases",
    "freezes",
    "refunds",
    "proposals",
    "chargebacks",
    "disputes",
)


def rewound(
    records: EscrowRecords,
    changes: Iterable[Sequence[str]],
    movements: Iterable[Movement],
    moment: datetime,
) -> EscrowRecords:
    """``changes`` are those of states after the moment, the oldest first; ``movements`` what was
    booked until it.

    States, prices, amended due dates, and what is held and frozen are of that moment. What else
    the rows say is of now: that of a payee, why Stripe refused. Nothing of it ran against time.
    """
    was: dict[str, str] = {}
    for subject, before, _ in changes:
        was.setdefault(subject, before)
    past = copied(records)
    past.deadlines = []
    past.escrow = replace(_in_state_of(past.escrow, was), updated_at=moment)
    for name in WITH_STATES:
        kept = [each for each in getattr(past, name) if was.get(each.public_id, "-")]
        setattr(past, name, [_in_state_of(each, was) for each in kept])
    for proposal in reversed(records.proposals):  # the newest first
        if proposal.state is ProposalState.APPROVED and was.get(proposal.public_id, "-") != "-":
            _undo_amendment(past, proposal)
    past.receivables = [each for each in past.receivables if each.created_at <= moment]
    held_minor = {each.account: each.credit_minor - each.debit_minor for each in _held(movements)}
    for milestone in past.milestones:
        account = HELD.name({"milestone": milestone.public_id})
        _hold(milestone, held_minor.get(account, 0), past)
    return past


def _undo_amendment(past: EscrowRecords, proposal: Proposal) -> None:
    """Gives the milestones of an amendment their prices and due dates from before it, and removes
    those that it added.
    """
    if proposal.kind is not ProposalKind.AMENDMENT:
        return
    before = {each.milestone_id: each.before for each in changes_of(proposal)}
    past.milestones = [m for m in past.milestones if before.get(m.milestone_id, m) is not None]
    for milestone in past.milestones:
        if terms := before.get(milestone.milestone_id):
            milestone.amount_minor = terms.fees.amount_minor
            milestone.due_at = terms.due_at


def _in_state_of(record: Any, was: dict[str, str]) -> Any:  # noqa: ANN401  of any machine
    before = was.get(record.public_id)
    return replace(record, state=type(record.state)(before)) if before else record


def _held(movements: Iterable[Movement]) -> list[Movement]:
    """What was booked on accounts of held money, one for each account."""
    sums: dict[str, Movement] = {}
    for each in movements:
        known = sums.get(each.account)
        if known:
            each = each._replace(  # noqa: PLW2901  added to what is known
                debit_minor=known.debit_minor + each.debit_minor,
                credit_minor=known.credit_minor + each.credit_minor,
            )
        sums[each.account] = each
    return list(sums.values())


def _hold(milestone: Milestone, held_minor: int, past: EscrowRecords) -> None:
    frozen = (f for f in past.freezes if f.milestone_id == milestone.milestone_id and f.is_open)
    milestone.funded_minor = held_minor
    milestone.released_minor = milestone.refunded_minor = milestone.lost_minor = 0
    milestone.frozen_minor = min(sum(each.amount_minor for each in frozen), held_minor)
