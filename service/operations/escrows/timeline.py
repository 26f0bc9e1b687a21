"""Changes of escrows as the messages of the API, with what each of them was about at its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from escrow.v1.escrow_service_pb2 import MilestoneChange, TimelineEntry, Transition
from escrow.v1.money_pb2 import Money
from service.domain import ids
from service.operations.escrows.messages import change_message
from service.operations.messages import money, timestamp
from service.runtime import Runtime
from service.store.operations import AmendmentRow, TimelineRow, find_amendments, find_amounts


class ChangeWithAmounts(NamedTuple):
    """A change of an escrow, the amounts of what changed by it, and what was ever amended."""

    row: TimelineRow
    amounts: Mapping[str, tuple[int, str]]  # by the ids' hexadecimal digits
    amended: Sequence[AmendmentRow]


class Amounts(NamedTuple):
    """What of some escrows is money, and what was ever amended of each."""

    of_subjects: Mapping[str, tuple[int, str]]
    amended: Mapping[UUID, Sequence[AmendmentRow]]

    def of(self, escrow_id: UUID | None, row: TimelineRow) -> ChangeWithAmounts:
        """One change with what it is about; of no escrow, nothing was amended."""
        of_escrow = self.amended.get(escrow_id, ()) if escrow_id else ()
        return ChangeWithAmounts(row, self.of_subjects, of_escrow)


async def amounts_of(
    runtime: Runtime, tenant_id: str, escrows: set[UUID], rows: Iterable[TimelineRow]
) -> Amounts:
    """What changes of these escrows are about."""
    subjects = {each for row in rows for each in _subjects(row)} if escrows else set()
    amounts = await find_amounts(runtime.pool, tenant_id, escrows, subjects)
    amended = await find_amendments(runtime.pool, tenant_id, escrows) if escrows else {}
    return Amounts(amounts, amended)


def _subjects(row: TimelineRow) -> list[UUID]:
    """What changed; nothing of a damaged row, of which ``timeline_entry`` says so."""
    try:
        return [ids.parse(t[0]) for t in row.transitions]
    except (TypeError, ValueError, LookupError):
        return []


def timeline_entry(changed: ChangeWithAmounts) -> TimelineEntry:
    """Raises whatever a damaged row makes it raise."""
    row, transitions = changed.row, []
    for subject, before, after in row.transitions:
        transition = Transition(subject=subject, to=after)
        setattr(transition, "from", before)  # a keyword in Python, not in the contract
        if amount := _amount_then(changed, str(subject)[-32:]):
            transition.amount.CopyFrom(amount)
        transitions.append(transition)
    return TimelineEntry(
        version=row.version,
        operation=row.operation,
        actor=row.party,
        caller=row.caller,
        cause=row.key,
        transitions=transitions,
        note=row.note,
        time=timestamp(row.occurred_at),
        trace_id=row.trace_id,
        changes=_agreed_by(changed),
    )


def _amount_then(changed: ChangeWithAmounts, subject: str) -> Money | None:
    """What a subject was about at the time: the next amendment says what a price was before."""
    if subject not in changed.amounts:
        return None
    amount_minor, currency = changed.amounts[subject]
    for amendment in reversed(changed.amended):
        if amendment.version <= changed.row.version:
            break
        for change in amendment.changes:
            if change.before and change.milestone_id.hex == subject:
                amount_minor = change.before.fees.amount_minor
    return money(amount_minor, currency)


def _agreed_by(changed: ChangeWithAmounts) -> list[MilestoneChange]:
    return [
        change_message(change, each.currency)
        for each in changed.amended
        if each.version == changed.row.version
        for change in each.changes
    ]
