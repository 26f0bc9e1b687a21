"""What can be read of what a request wrote: its answer, the subject's Get and its lists.

A Get is found by the name of the message that the answer shows: a new one is read by itself.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from escrow.client import EscrowClient
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.operations.catalogue import METHODS, ask
from tests.service.operations.marketplace import Marketplace

FOUND_BY = {
    pb.Escrow: ("payer_id", "payee_id", "currency", "reference"),
    pb.Payment: ("escrow_id",),
    refund_pb.Refund: ("escrow_id", "payment_id"),
    party_pb.Payer: ("reference", "email"),
    party_pb.Payee: ("reference", "email", "country", "stripe_account"),
}
"""By which fields a list finds what a request made."""

EVENT = """
SELECT endpoint, payload, traceparent, received_at FROM stripe_events WHERE event_id = $1"""


async def read_back(market: Marketplace, request: Any, answer: Message) -> AsyncIterator[Message]:  # noqa: ANN401  any request
    """Every message that shows what was written."""
    for field, shown in answer.ListFields():
        getter = METHODS.get(f"Get{field.message_type.name}") if field.message_type else None
        if getter is None or field.is_repeated:
            continue
        asked = GetMessageClass(getter.input_type)
        names = (each.name for each in getter.input_type.fields if each.name != "reference")
        named = {name: getattr(shown, name, "") or shown.id for name in names}
        of_operators = getter.containing_service.name == "ChargebackService"
        reader = market.client("operator", role="auditor") if of_operators else market.service
        found = await ask(reader, getter.name, asked(**named))
        yield found
        if "reference" in getter.input_type.fields_by_name:
            by_reference = asked(reference=shown.reference)
            assert await ask(market.service, getter.name, by_reference) == found
        if type(shown) in FOUND_BY:
            yield await found_by_filter(market.service, shown)
    yield answer
    escrow_id = getattr(request, "escrow_id", "") or getattr(
        getattr(answer, "escrow", None), "id", ""
    )
    if escrow_id:
        timeline = pb.ListTimelineRequest(escrow_id=escrow_id)
        listed = await market.service.escrows.ListTimeline(timeline)
        assert not listed.unreadable
        yield listed
    if isinstance(request, event_pb.IngestStripeEventRequest):
        yield await stored_event(market, request)
    if isinstance(request, event_pb.BatchIngestStripeEventsRequest):
        stored = [await stored_event(market, each) for each in request.requests]
        yield event_pb.BatchIngestStripeEventsRequest(requests=stored)


async def found_by_filter(client: EscrowClient, shown: Any) -> Message:  # noqa: ANN401  in FOUND_BY
    """What was made as its list tells it, found by all that it can be found by."""
    conditions = [f"{name} = {quoted(getattr(shown, name))}" for name in FOUND_BY[type(shown)]]
    moment = shown.create_time.ToJsonString()
    conditions += [f"create_time {operator} {moment}" for operator in ("=", ">=", "<=")]
    method = METHODS[f"List{type(shown).__name__}s"]
    request = GetMessageClass(method.input_type)(filter=" AND ".join(conditions))
    listed = await ask(client, method.name, request)
    assert not listed.unreadable
    found: Message
    (found,) = getattr(listed, f"{type(shown).__name__.lower()}s")
    return found


def quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


async def stored_event(
    market: Marketplace, request: event_pb.IngestStripeEventRequest
) -> event_pb.IngestStripeEventRequest:
    """The event as it stands in the inbox, in the words of its request."""
    row = await market.owner.fetchrow(EVENT, json.loads(request.payload)["id"])
    assert row is not None
    endpoint, payload, traceparent, received_at = row
    stored = event_pb.IngestStripeEventRequest(
        endpoint=event_pb.StripeEndpoint.Value(f"STRIPE_ENDPOINT_{endpoint}"),
        payload=payload,
        traceparent=traceparent,
    )
    if request.HasField("receive_time"):
        stored.receive_time.FromDatetime(received_at)
    return stored
