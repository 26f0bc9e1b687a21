"""The deadline that is to be due later, and the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from service.aggregates.escrow import EscrowCase
from service.domain import ids
from service.domain.errors import DeadlineFixed, DeadlineMissing, FieldViolation, InvalidField
from service.domain.records.deadline import Deadline, DeadlineKind

OF_THE_PARTIES = frozenset({DeadlineKind.PAYMENT, DeadlineKind.DELIVERY, DeadlineKind.INSPECTION})
AT_MOST = timedelta(days=366)


def extendable(
    case: EscrowCase, deadline_id: str, due_time: Timestamp
) -> tuple[Deadline, datetime]:
    """Raises DeadlineMissing, DeadlineFixed. InvalidField: the time is not later, or too late."""
    wanted = ids.parse(deadline_id)
    deadline = next((d for d in case.records.deadlines if d.deadline_id == wanted), None)
    if deadline is None:
        raise DeadlineMissing
    if deadline.kind not in OF_THE_PARTIES:
        raise DeadlineFixed(deadline_id=deadline.public_id, kind=deadline.kind)
    due_at, most = due_time.ToDatetime(UTC), case.unit.now + AT_MOST
    if not max(deadline.due_at, case.unit.now) < due_at <= most:
        problem = f"must be later than {deadline.due_at:%Y-%m-%d %H:%M:%S} UTC, and within a year"
        raise InvalidField(FieldViolation("due_time", problem))
    return deadline, due_at
