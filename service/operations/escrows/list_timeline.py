"""Lists every transition of an escrow, oldest first, with its time, actor and cause."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from escrow.v1.escrow_service_pb2 import (
    ListTimelineRequest,
    ListTimelineResponse,
    MilestoneChange,
    TimelineEntry,
    Transition,
)
from escrow.v1.money_pb2 import Money
from service.domain import ids
from service.domain.call import Call
from service.domain.errors import EscrowMissing
from service.operations.escrows.messages import change_message
from service.operations.messages import money, timestamp
from service.operations.paging import cursor_of, fill_page, next_page_token, page_limit
from service.runtime import Runtime
from service.store.operations import (
    AmendmentRow,
    TimelineRow,
    find_amendments,
    find_amounts,
    find_timeline,
)
from service.store.unreadable import Unreadable


async def list_timeline(
    runtime: Runtime, call: Call, request: ListTimelineRequest
) -> ListTimelineResponse:
    """Raises EscrowMissing, InvalidField."""
    escrow_id = ids.parse(request.escrow_id)
    after = cursor_of(request.page_token, request.escrow_id, _version)

    async def read(after: int | None, most: int) -> list[_Told | Unreadable[int]]:
        rows = await find_timeline(
            runtime.pool, call.tenant_id, escrow_id, after_version=after or 0, limit=most
        )
        subjects = {each for row in rows for each in _subjects(row)}
        pool, tenant_id = runtime.pool, call.tenant_id
        amounts = await find_amounts(pool, tenant_id, escrow_id, subjects)
        amended = await find_amendments(pool, tenant_id, escrow_id)
        return [
            row if isinstance(row, Unreadable) else _Told(row, amounts, amended) for row in rows
        ]

    page = await fill_page(
        read,
        lambda told: told.row.version,
        _entry,
        after=after,
        limit=page_limit(request.page_size, usual=100, most=500),
    )
    if not (page.items or page.unreadable or after):
        raise EscrowMissing
    return ListTimelineResponse(
        entries=page.items,
        next_page_token=next_page_token(str(page.last), request.escrow_id) if page.last else "",
        unreadable=page.unreadable,
    )


def _version(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,17}", text):  # int() takes more, and bigint less
        raise ValueError(text)
    return int(text)


class _Told(NamedTuple):
    """A change of an escrow, the amounts of what changed by it, and what was ever amended."""

    row: TimelineRow
    amounts: Mapping[str, tuple[int, str]]  # by the ids' hexadecimal digits
    amended: Sequence[AmendmentRow]


def _subjects(row: TimelineRow | Unreadable[int]) -> list[UUID]:
    """What changed; nothing of a damaged row, of which _entry says so."""
    try:
        return [] if isinstance(row, Unreadable) else [ids.parse(t[0]) for t in row.transitions]
    except (TypeError, ValueError, LookupError):
        return []


def _entry(told: _Told) -> TimelineEntry:
    row, transitions = told.row, []
    for subject, before, after in row.transitions:
        transition = Transition(subject=subject, to=after)
        setattr(transition, "from", before)  # a keyword in Python, not in the contract
        if amount := _amount_then(told, str(subject)[-32:]):
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
        changes=_agreed_by(told),
    )


def _amount_then(told: _Told, subject: str) -> Money | None:
    """What a subject was about at the time: the next amendment says what a price was before."""
    if subject not in told.amounts:
        return None
    amount_minor, currency = told.amounts[subject]
    for amendment in reversed(told.amended):
        if amendment.version <= told.row.version:
            break
        for change in amendment.changes:
            if change.before and change.milestone_id.hex == subject:
                amount_minor = change.before.fees.amount_minor
    return money(amount_minor, currency)


def _agreed_by(told: _Told) -> list[MilestoneChange]:
    return [
        change_message(change, each.currency)
        for each in told.amended
        if each.version == told.row.version
        for change in each.changes
    ]
