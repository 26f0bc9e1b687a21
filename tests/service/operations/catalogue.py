"""One request for every method of the contract that is sure to be answered, and who may ask it.

Tests that hold for all methods begin with these: they spoil them, repeat them, or ask them as
somebody else. A method that is added to the contract and not to this table fails them.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from escrow.client import EscrowClient, new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.operations.marketplace import (
    RETURN_URL,
    Marketplace,
    acceptance,
    escrow_request,
    usd,
)

METHODS: Mapping[str, MethodDescriptor] = {
    method.name: method
    for file in (pb.DESCRIPTOR, party_pb.DESCRIPTOR, event_pb.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
}
MUTATIONS = sorted(
    name for name, method in METHODS.items() if "request_id" in method.input_type.fields_by_name
)


@dataclass
class Asked:
    """A request that will be answered, and the party that may ask it ("" for nobody's behalf)."""

    party: str
    request: Any
    role: str = ""


async def ask(client: EscrowClient, name: str, request: Message) -> Any:  # noqa: ANN401  the method's answer
    """Calls the method of this name."""
    stubs = {
        "EscrowService": client.escrows,
        "PartyService": client.parties,
        "StripeEventService": client.events,
    }
    stub = stubs[METHODS[name].containing_service.name]
    return await getattr(stub, name)(request)


def client_for(market: Marketplace, asked: Asked, *, deadline_s: float = 20.0) -> EscrowClient:
    return market.client(asked.party, role=asked.role, deadline_s=deadline_s)


async def _create_escrow(market: Marketplace) -> Asked:
    payer, payee = await market.new_payer(), await market.new_payee(active=False)
    request = escrow_request(6_000, 4_000, payer=payer, payee=payee)
    request.metadata["order"] = "A-17"
    first = request.milestones[0]
    first.due_time.FromJsonString("2099-12-31T00:00:00Z")
    first.line_items.add(name="Poster", quantity=2, unit_amount_minor=3_000, sku="P-1")
    return Asked("", request)


async def _get_escrow(market: Marketplace) -> Asked:
    return Asked("", pb.GetEscrowRequest(escrow_id=(await market.new_escrow()).id))


async def _list_escrows(market: Marketplace) -> Asked:
    return Asked("", pb.ListEscrowsRequest(page_size=2, filter="state = AWAITING_FUNDS"))


async def _quote_fees(market: Marketplace) -> Asked:
    return Asked("", pb.QuoteFeesRequest(currency="USD", amounts_minor=[6_000, 4_000]))


async def _fund_escrow(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = pb.FundEscrowRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_ids=[escrow.milestones[0].id],
        method=pb.PAYMENT_METHOD_PAYMENT_INTENT,
        capture=pb.CAPTURE_STRATEGY_AUTOMATIC,
        return_url=RETURN_URL,
        etag=escrow.etag,
    )
    return Asked("payer", request)


async def _get_payment(market: Marketplace) -> Asked:
    payment = await market.fund(await market.new_escrow())
    return Asked("", pb.GetPaymentRequest(payment_id=payment.id))


async def _capture_payment(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    payment = await market.fund(escrow, capture=pb.CAPTURE_STRATEGY_MANUAL)
    await market.pay(payment)
    await market.read_payment(payment)  # so that it is known here, too
    request = pb.CapturePaymentRequest(request_id=new_request_id(), payment_id=payment.id)
    return Asked("payer", request)


async def _cancel_payment(market: Marketplace) -> Asked:
    payment = await market.fund(await market.new_escrow())
    request = pb.CancelPaymentRequest(request_id=new_request_id(), payment_id=payment.id)
    return Asked("payer", request)


async def _submit_delivery(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    request = pb.SubmitDeliveryRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="It is in the shared folder.",
        etag=escrow.etag,
    )
    return Asked("payee", request)


async def _request_changes(market: Marketplace) -> Asked:
    escrow = await market.delivered_escrow()
    request = pb.RequestChangesRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        note="In blue, please.",
        etag=escrow.etag,
    )
    return Asked("payer", request)


async def _accept_delivery(market: Marketplace) -> Asked:
    escrow = await market.delivered_escrow()
    request = acceptance(escrow)
    request.etag = escrow.etag
    return Asked("payer", request)


async def _release_milestone(market: Marketplace) -> Asked:
    escrow = await market.funded_escrow()
    request = pb.ReleaseMilestoneRequest(
        request_id=new_request_id(),
        escrow_id=escrow.id,
        milestone_id=escrow.milestones[0].id,
        amount_minor=2_500,
        etag=escrow.etag,
    )
    return Asked("payer", request)


async def _cancel_escrow(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    request = pb.CancelEscrowRequest(
        request_id=new_request_id(), escrow_id=escrow.id, reason="Found another.", etag=escrow.etag
    )
    return Asked("payer", request)


async def _list_timeline(market: Marketplace) -> Asked:
    escrow = await market.new_escrow()
    return Asked("", pb.ListTimelineRequest(escrow_id=escrow.id, page_size=10))


async def _create_payer(market: Marketplace) -> Asked:
    request = party_pb.CreatePayerRequest(
        request_id=new_request_id(),
        reference=new_request_id(),
        name="Ann Payer",
        email="ann@example.com",
    )
    return Asked("", request)


async def _get_payer(market: Marketplace) -> Asked:
    return Asked("", party_pb.GetPayerRequest(payer_id=(await market.new_payer()).id))


async def _create_payee(market: Marketplace) -> Asked:
    request = party_pb.CreatePayeeRequest(
        request_id=new_request_id(),
        reference=new_request_id(),
        name="Bob Payee",
        email="bob@example.com",
        country="US",
        account_api=party_pb.ACCOUNT_API_V2,
    )
    return Asked("", request)


async def _get_payee(market: Marketplace) -> Asked:
    payee = await market.new_payee(active=False)
    return Asked("", party_pb.GetPayeeRequest(payee_id=payee.id))


async def _create_onboarding_link(market: Marketplace) -> Asked:
    payee = await market.new_payee(active=False)
    request = party_pb.CreateOnboardingLinkRequest(
        request_id=new_request_id(),
        payee_id=payee.id,
        return_url="https://shop.example/payee",
        refresh_url="https://shop.example/payee/again?of=1",
    )
    return Asked("payee", request)


async def _request_payout(market: Marketplace) -> Asked:
    payee = await market.paid_payee()
    request = party_pb.RequestPayoutRequest(
        request_id=new_request_id(), payee_id=payee.id, amount=usd(3_000)
    )
    return Asked("payee", request)


async def _get_payout(market: Marketplace) -> Asked:
    requested = await _request_payout(market)
    payout = (await market.payee.parties.RequestPayout(requested.request)).payout
    return Asked("", party_pb.GetPayoutRequest(payout_id=payout.id))


async def _list_payouts(market: Marketplace) -> Asked:
    payee = await market.new_payee(active=False)
    return Asked("", party_pb.ListPayoutsRequest(payee_id=payee.id, page_size=10))


def _stripe_event() -> event_pb.IngestStripeEventRequest:
    event = {
        "id": f"evt_{new_request_id()}",
        "object": "event",
        "type": "charge.succeeded",
        "api_version": "2026-10-28.endive",
        "created": 1_790_000_000,
        "livemode": False,
        "data": {"object": {"id": "ch_1", "object": "charge"}},
    }
    request = event_pb.IngestStripeEventRequest(
        endpoint=event_pb.STRIPE_ENDPOINT_PLATFORM, payload=json.dumps(event).encode()
    )
    request.receive_time.FromJsonString("2026-10-28T00:00:00Z")
    request.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    return request


async def _ingest_stripe_event(market: Marketplace) -> Asked:
    return Asked("", _stripe_event(), role="gateway")


async def _batch_ingest_stripe_events(market: Marketplace) -> Asked:
    events = [_stripe_event(), _stripe_event()]
    return Asked("", event_pb.BatchIngestStripeEventsRequest(requests=events), role="gateway")


EVERY_REQUEST: Mapping[str, Callable[[Marketplace], Awaitable[Asked]]] = {
    "CreateEscrow": _create_escrow,
    "GetEscrow": _get_escrow,
    "ListEscrows": _list_escrows,
    "QuoteFees": _quote_fees,
    "FundEscrow": _fund_escrow,
    "GetPayment": _get_payment,
    "CapturePayment": _capture_payment,
    "CancelPayment": _cancel_payment,
    "SubmitDelivery": _submit_delivery,
    "RequestChanges": _request_changes,
    "AcceptDelivery": _accept_delivery,
    "ReleaseMilestone": _release_milestone,
    "CancelEscrow": _cancel_escrow,
    "ListTimeline": _list_timeline,
    "CreatePayer": _create_payer,
    "GetPayer": _get_payer,
    "CreatePayee": _create_payee,
    "GetPayee": _get_payee,
    "CreateOnboardingLink": _create_onboarding_link,
    "RequestPayout": _request_payout,
    "GetPayout": _get_payout,
    "ListPayouts": _list_payouts,
    "IngestStripeEvent": _ingest_stripe_event,
    "BatchIngestStripeEvents": _batch_ingest_stripe_events,
}
