"""THE table of what is served: one line for each method of the contract."""

from __future__ import annotations

from collections.abc import Mapping

from escrow.v1 import escrow_service_pb2, party_service_pb2, stripe_event_service_pb2
from service.operations.accept_delivery import accept_delivery
from service.operations.batch_ingest_stripe_events import batch_ingest_stripe_events
from service.operations.cancel_escrow import cancel_escrow
from service.operations.cancel_payment import cancel_payment
from service.operations.capture_payment import capture_payment
from service.operations.create_escrow import create_escrow
from service.operations.create_onboarding_link import create_onboarding_link
from service.operations.create_payee import create_payee
from service.operations.create_payer import create_payer
from service.operations.fund_escrow import fund_escrow
from service.operations.get_escrow import get_escrow
from service.operations.get_payee import get_payee
from service.operations.get_payer import get_payer
from service.operations.get_payment import get_payment
from service.operations.get_payout import get_payout
from service.operations.house import House
from service.operations.ingest_stripe_event import ingest_stripe_event
from service.operations.list_escrows import list_escrows
from service.operations.list_payouts import list_payouts
from service.operations.list_timeline import list_timeline
from service.operations.quote_fees import quote_fees
from service.operations.release_milestone import release_milestone
from service.operations.request_changes import request_changes
from service.operations.request_payout import request_payout
from service.operations.submit_delivery import submit_delivery
from service.rpc.servicer import Operation

SERVICES = (
    escrow_service_pb2.DESCRIPTOR.services_by_name["EscrowService"],
    party_service_pb2.DESCRIPTOR.services_by_name["PartyService"],
    stripe_event_service_pb2.DESCRIPTOR.services_by_name["StripeEventService"],
)

OPERATIONS: Mapping[str, Operation[House]] = {
    "CreateEscrow": create_escrow,
    "GetEscrow": get_escrow,
    "ListEscrows": list_escrows,
    "QuoteFees": quote_fees,
    "FundEscrow": fund_escrow,
    "GetPayment": get_payment,
    "CapturePayment": capture_payment,
    "CancelPayment": cancel_payment,
    "SubmitDelivery": submit_delivery,
    "RequestChanges": request_changes,
    "AcceptDelivery": accept_delivery,
    "ReleaseMilestone": release_milestone,
    "CancelEscrow": cancel_escrow,
    "ListTimeline": list_timeline,
    "CreatePayer": create_payer,
    "GetPayer": get_payer,
    "CreatePayee": create_payee,
    "GetPayee": get_payee,
    "CreateOnboardingLink": create_onboarding_link,
    "RequestPayout": request_payout,
    "GetPayout": get_payout,
    "ListPayouts": list_payouts,
    "IngestStripeEvent": ingest_stripe_event,
    "BatchIngestStripeEvents": batch_ingest_stripe_events,
}
