"""Explains an escrow: where every cent is, what it waits for, and what each party can do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from escrow.v1.explanation_pb2 import ExplainEscrowRequest, ExplainEscrowResponse
from service.aggregates.blockers import blockers_of
from service.domain import ids
from service.domain.blocker import Blocker
from service.domain.call import Call
from service.domain.errors import (
    Busy,
    EscrowMissing,
    FieldViolation,
    InvalidField,
    MilestoneMissing,
)
from service.domain.records.approval import Approval
from service.domain.records.effect import Effect
from service.operations.explanation.actions import actions_of, to_try
from service.operations.explanation.messages import (
    account_messages,
    blocker_message,
    blocker_of_approval,
    blocker_of_effect,
    call_message,
    standing_message,
    timer_messages,
)
from service.operations.explanation.rewound import rewound
from service.operations.messages import timestamp
from service.runtime import Runtime
from service.store.explained import (
    Movement,
    find_changes_after,
    find_movements,
    find_open_effects,
    find_waiting_approvals,
)
from service.store.tables import EscrowRecords

MOST_READS = 20
"""How often it is read again while others change it."""
CLOCKS_APART_AT_MOST = timedelta(hours=1)
"""How far the clock of who booked something may be ahead of ours."""


@dataclass(slots=True)
class _Read:
    """What was read of one version of an escrow."""

    records: EscrowRecords
    movements: list[Movement]
    effects: list[Effect] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)


async def explain_escrow(
    runtime: Runtime, call: Call, request: ExplainEscrowRequest
) -> ExplainEscrowResponse:
    """Raises EscrowMissing, MilestoneMissing, Busy.

    InvalidField: the moment is to come, or before the escrow.
    """
    now = runtime.clock()
    moment = request.as_of_time.ToDatetime(UTC) if request.HasField("as_of_time") else None
    escrow_id = ids.parse(request.escrow_id)
    until = moment or now + CLOCKS_APART_AT_MOST
    read = await _read_one_version(runtime, call, escrow_id, until)
    named = [ids.parse(each) for each in request.milestone_ids]
    known = {each.milestone_id for each in read.records.milestones}
    if not known.issuperset(named):
        raise MilestoneMissing
    if moment is not None:
        _check_moment(read.records, moment, now)
        changes = await find_changes_after(runtime.pool, call.tenant_id, escrow_id, moment)
        read.records = rewound(read.records, changes, read.movements, moment)
        return _message(read, moment)
    read.effects = await find_open_effects(runtime.pool, call.tenant_id, escrow_id)
    read.approvals = await find_waiting_approvals(runtime.pool, call.tenant_id, escrow_id, now)
    policy = await runtime.policies.get(call.tenant_id, read.records.escrow.policy_version)
    milestones, left_out = to_try(read.records, named)
    answer = _message(read, now)
    answer.etag = str(read.records.escrow.version)
    answer.timers.extend(timer_messages(read.records, policy))
    answer.actions.extend(await actions_of(runtime, call, read.records, milestones))
    answer.milestones_not_tried.extend(left_out)
    return answer


async def _read_one_version(
    runtime: Runtime, call: Call, escrow_id: UUID, until: datetime
) -> _Read:
    """The rows and the books of one moment: what is booked is booked with a new version."""
    for _ in range(MOST_READS):
        records = await runtime.find_escrow(call.tenant_id, escrow_id)
        if records is None:
            raise EscrowMissing
        version, movements = await find_movements(runtime.pool, call.tenant_id, escrow_id, until)
        if version == records.escrow.version:
            return _Read(records, movements)
    raise Busy


def _check_moment(records: EscrowRecords, moment: datetime, now: datetime) -> None:
    """Raises InvalidField: it is to come, or there was no escrow then."""
    created_at = records.escrow.created_at
    if moment > now:
        raise InvalidField(FieldViolation("as_of_time", "must not be to come"))
    if moment < created_at:
        problem = f"must not be before the escrow was created: {created_at.isoformat()}"
        raise InvalidField(FieldViolation("as_of_time", problem))


def _message(read: _Read, moment: datetime) -> ExplainEscrowResponse:
    records, currency = read.records, read.records.escrow.currency
    return ExplainEscrowResponse(
        escrow_id=records.escrow.public_id,
        state=records.escrow.state,
        as_of_time=timestamp(moment),
        milestones=[standing_message(each, currency) for each in records.milestones],
        accounts=account_messages(read.movements),
        blockers=map(blocker_message, _blockers(read)),
        open_calls=map(call_message, read.effects),
    )


def _blockers(read: _Read) -> list[Blocker]:
    """Of the escrow itself, then what people have to decide on beside it."""
    return [
        *blockers_of(read.records),
        *map(blocker_of_approval, read.approvals),
        *(blocker_of_effect(each) for each in read.effects if each.needs_person),
    ]
