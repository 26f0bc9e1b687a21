"""What the parties of an escrow ask of each other."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from escrow.client import new_request_id
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import escrow_service_pb2 as pb
from tests.service.operations.marketplace import Marketplace

WHY = "We have found another."


def cancellation(escrow: pb.Escrow, **changes: Any) -> agreement_pb.RequestCancellationRequest:  # noqa: ANN401  any field
    return agreement_pb.RequestCancellationRequest(
        request_id=new_request_id(), escrow_id=escrow.id, reason=WHY, **changes
    )


def deadline_of(escrow: pb.Escrow, kind: pb.DeadlineKind.ValueType) -> pb.Deadline:
    (found,) = [each for each in escrow.deadlines if each.kind == kind]
    return found


def moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def later_than(stamp: Timestamp, by: timedelta) -> Timestamp:
    later = Timestamp()
    later.FromDatetime(moment(stamp) + by)
    return later


def extension(
    escrow: pb.Escrow, kind: pb.DeadlineKind.ValueType, by: timedelta
) -> agreement_pb.RequestExtensionRequest:
    running = deadline_of(escrow, kind)
    return agreement_pb.RequestExtensionRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        deadline_id=running.id,
        due_time=later_than(running.due_time, by),
        reason=WHY,
    )


def agreed(asked: agreement_pb.RequestExtensionRequest) -> agreement_pb.ExtendDeadlineRequest:
    """The same time, as the other party agrees to it."""
    return agreement_pb.ExtendDeadlineRequest(
        request_id=new_request_id(),
        escrow_id=asked.escrow_id,
        deadline_id=asked.deadline_id,
        due_time=asked.due_time,
        reason=WHY,
    )


async def payer_asks(market: Marketplace, escrow: pb.Escrow) -> pb.Proposal:
    """The payer asks for a cancellation of all that is open."""
    answer = await market.payer.agreements.RequestCancellation(cancellation(escrow))
    return answer.proposal
