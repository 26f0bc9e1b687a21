"""Explains an escrow: where every cent is, what it waits for, and what each party can do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from escrow.v1.explanation_pb2 import ExplainEscrowRequest, ExplainEscrowResponse
from service.aggregates.blockers import blockers_of
from service.domain import ids
from service.domain.blocker import Blocker
from service.domain.call import Call, Party
from service.domain.errors import (
    Busy,
    EscrowMissing,
    FieldViolation,
    InvalidField,
    MilestoneMissing,
)
from service.operations.explanation.actions import actions_of, to_try
from service.operations.explanation.messages import (
    account_messages,
    blocker_message,
    blocker_of_effect,
    call_message,
    standing_message,
    timer_messages,
)
from service.operations.explanation.rewound import rewound
from service.operations.held.messages import blocker_of_approval
from service.operations.messages import timestamp
from service.runtime import Runtime
from service.store.explained import (
    Movement,
    Standing,
    find_changes_after,
    find_movements,
    find_standing,
)
from service.store.tables import EscrowRecords

MOST_READS = 20
"""How often it is read again while others change it."""
CLOCKS_APART_AT_MOST = timedelta(hours=1)
"""How far the clock of who booked something may be ahead of ours."""


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
    standing, movements = await _read_one_version(runtime, call, escrow_id, now, until)
    records = standing.records
    named = [ids.parse(each) for each in request.milestone_ids]
    if not {each.milestone_id for each in records.milestones}.issuperset(named):
        raise MilestoneMissing
    if moment is not None:
        _check_moment(records, moment, now)
        changes = await find_changes_after(runtime.pool, call.tenant_id, escrow_id, moment)
        past = rewound(records, changes, movements, moment)
        return _message(past, movements, blockers_of(past), moment)
    policy = await runtime.policies.get(call.tenant_id, records.escrow.policy_version)
    limits = await runtime.policies.get(call.tenant_id, standing.newest_policy)
    milestones, left_out = to_try(records, named)
    answer = _message(records, movements, _blockers(standing, call.party), now)
    answer.open_calls.extend(map(call_message, standing.effects))
    answer.etag = str(records.escrow.version)
    answer.timers.extend(timer_messages(records, policy))
    answer.actions.extend(await actions_of(runtime, call, records, milestones, limits))
    answer.milestones_not_tried.extend(left_out)
    return answer


async def _read_one_version(
    runtime: Runtime, call: Call, escrow_id: UUID, now: datetime, until: datetime
) -> tuple[Standing, list[Movement]]:
    """The rows and the books of one moment: what is booked is booked with a new version."""
    for _ in range(MOST_READS):
        standing, (version, movements) = await asyncio.gather(
            find_standing(runtime.pool, call.tenant_id, escrow_id, now),
            find_movements(runtime.pool, call.tenant_id, escrow_id, until),
        )
        if standing is None:
            raise EscrowMissing
        if version == standing.records.escrow.version:
            return standing, movements
    raise Busy


def _check_moment(records: EscrowRecords, moment: datetime, now: datetime) -> None:
    """Raises InvalidField: it is to come, or there was no escrow then."""
    created_at = records.escrow.created_at
    if moment > now:
        raise InvalidField(FieldViolation("as_of_time", "must not be in the future"))
    if moment < created_at:
        problem = f"must not be before the escrow was created: {created_at.isoformat()}"
        raise InvalidField(FieldViolation("as_of_time", problem))


def _message(
    records: EscrowRecords,
    movements: Iterable[Movement],
    blockers: Iterable[Blocker],
    moment: datetime,
) -> ExplainEscrowResponse:
    currency = records.escrow.currency
    return ExplainEscrowResponse(
        escrow_id=records.escrow.public_id,
        state=records.escrow.state,
        as_of_time=timestamp(moment),
        milestones=[standing_message(each, currency) for each in records.milestones],
        accounts=account_messages(movements),
        blockers=map(blocker_message, blockers),
    )


def _blockers(standing: Standing, party: Party) -> list[Blocker]:
    """Of the escrow itself, then what people have to decide on beside it."""
    return [
        *blockers_of(standing.records),
        *(blocker_of_approval(each, party) for each in standing.approvals),
        *(blocker_of_effect(each) for each in standing.effects if each.needs_person),
    ]
