"""The deadline for evidence: it runs while Stripe waits for some, and warns people before it ends.

It is no wait of the parties, and so not begun and ended by ``keep_time``.
"""

from __future__ import annotations

from collections.abc import Iterable

from service.aggregates.escrow import EscrowCase
from service.domain.deadlines import next_evidence_warning
from service.domain.records.chargeback import Chargeback
from service.domain.records.deadline import Deadline, DeadlineKind


def keep_evidence_time(case: EscrowCase, known: Chargeback) -> None:
    """Begins and ends the deadline of a chargeback, by where it is now."""
    due_at = known.due_by if known.waits_for_evidence else None
    for deadline in [*_of(case, known)]:
        if deadline.due_at == due_at:
            return
        case.records.deadlines.remove(deadline)
        case.unit.remove(deadline)
    if due_at is None or due_at <= case.unit.now:
        return
    first = next_evidence_warning(due_at, known.opened_at)
    deadline = Deadline(
        tenant_id=known.tenant_id,
        escrow_id=known.escrow_id,
        deadline_id=case.unit.new_id(),
        subject_id=known.chargeback_id,
        kind=DeadlineKind.EVIDENCE,
        starts_at=case.unit.now,
        due_at=due_at,
        act_at=first or case.unit.now,
    )
    case.records.deadlines.append(deadline)
    case.unit.put(deadline)


def _of(case: EscrowCase, known: Chargeback) -> Iterable[Deadline]:
    return (
        each
        for each in case.records.deadlines
        if each.kind is DeadlineKind.EVIDENCE and each.subject_id == known.chargeback_id
    )
