"""Stores many verified events of Stripe durably in one commit, each once."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import structlog
from google.rpc import (  # type: ignore[import-untyped] # googleapis ships without types
    code_pb2,
    status_pb2,
)

from escrow.v1.stripe_event_service_pb2 import (
    BatchIngestStripeEventsRequest,
    BatchIngestStripeEventsResponse,
    IngestStripeEventRequest,
    IngestStripeEventResult,
)
from service.domain.call import Call
from service.domain.errors import DatabaseUnavailable, InvalidField
from service.operations.inbox.ingest_stripe_event import outcome_of, parse_arrival
from service.runtime import Runtime
from service.store.stripe_events import Arrival, insert_event, insert_events

log = structlog.get_logger()


async def batch_ingest_stripe_events(
    runtime: Runtime, call: Call, request: BatchIngestStripeEventsRequest
) -> BatchIngestStripeEventsResponse:
    """Returns when each event is stored for good or refused by itself; see ``ingest_stripe_event``.

    Raises:
        DatabaseUnavailable: it is not known which are stored; sent again, those are duplicates.
    """
    parsed = [_parse(runtime, call, each) for each in request.requests]
    arrivals = [each for each in parsed if isinstance(each, Arrival)]
    stored = iter(await _store(runtime.pool, arrivals))
    return BatchIngestStripeEventsResponse(
        results=[next(stored) if isinstance(each, Arrival) else each for each in parsed]
    )


def _parse(
    runtime: Runtime, call: Call, request: IngestStripeEventRequest
) -> Arrival | IngestStripeEventResult:
    try:
        return parse_arrival(runtime, call, request)
    except InvalidField as refusal:
        return _refused(code_pb2.INVALID_ARGUMENT, refusal.message)


async def _store(
    pool: asyncpg.Pool, arrivals: Sequence[Arrival]
) -> Sequence[IngestStripeEventResult]:
    """All in one commit. If the database refuses that, then one by one, so that one bad event
    refuses no other.
    """
    try:
        stored = await insert_events(pool, arrivals)
    except DatabaseUnavailable:
        raise
    except Exception:  # noqa: BLE001  each is stored alone, so the bad one is found
        return [await _store_alone(pool, arrival) for arrival in arrivals]
    return [_result(arrival, stored=new) for arrival, new in zip(arrivals, stored, strict=True)]


async def _store_alone(pool: asyncpg.Pool, arrival: Arrival) -> IngestStripeEventResult:
    event, state, reason = arrival
    try:
        stored = await insert_event(pool, event, state=state, reason=reason)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("event not stored", event_id=event.event_id)
        return _refused(code_pb2.INTERNAL, "The service failed to store this event.")
    return _result(arrival, stored=stored)


def _result(arrival: Arrival, *, stored: bool) -> IngestStripeEventResult:
    return IngestStripeEventResult(outcome=outcome_of(arrival, stored=stored))


def _refused(code: int, message: str) -> IngestStripeEventResult:
    return IngestStripeEventResult(refusal=status_pb2.Status(code=code, message=message))
