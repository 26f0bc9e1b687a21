"""One request for every method of the contract that is sure to be answered, and who may ask it.

Tests that hold for all methods begin with these: they spoil them, repeat them, or ask them as
somebody else. Each folder has its own; a method that is added to the contract and to none of them
fails the tests.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from escrow.client import EscrowClient
from escrow.v1 import agreement_service_pb2 as agreement_pb
from escrow.v1 import approval_service_pb2 as approval_pb
from escrow.v1 import chargeback_service_pb2 as chargeback_pb
from escrow.v1 import dispute_service_pb2 as dispute_pb
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import event_service_pb2 as feed_pb
from escrow.v1 import operator_service_pb2 as operator_pb
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1 import policy_service_pb2 as policy_pb
from escrow.v1 import refund_service_pb2 as refund_pb
from escrow.v1 import stripe_event_service_pb2 as event_pb
from tests.service.operations.agreements.catalogue import REQUESTS as OF_AGREEMENTS
from tests.service.operations.approvals.catalogue import REQUESTS as OF_APPROVALS
from tests.service.operations.asked import Asked, Requests
from tests.service.operations.chargebacks.catalogue import REQUESTS as OF_CHARGEBACKS
from tests.service.operations.disputes.catalogue import REQUESTS as OF_DISPUTES
from tests.service.operations.escrows.catalogue import REQUESTS as OF_ESCROWS
from tests.service.operations.explanation.catalogue import REQUESTS as OF_EXPLANATIONS
from tests.service.operations.feed.catalogue import REQUESTS as OF_FEED
from tests.service.operations.inbox.catalogue import REQUESTS as OF_INBOX
from tests.service.operations.marketplace import Marketplace
from tests.service.operations.operators.catalogue import REQUESTS as OF_OPERATORS
from tests.service.operations.parties.catalogue import REQUESTS as OF_PARTIES
from tests.service.operations.payments.catalogue import REQUESTS as OF_PAYMENTS
from tests.service.operations.payouts.catalogue import REQUESTS as OF_PAYOUTS
from tests.service.operations.policies.catalogue import REQUESTS as OF_POLICIES
from tests.service.operations.refunds.catalogue import REQUESTS as OF_REFUNDS

METHODS: Mapping[str, MethodDescriptor] = {
    method.name: method
    for file in (
        pb.DESCRIPTOR,
        agreement_pb.DESCRIPTOR,
        party_pb.DESCRIPTOR,
        operator_pb.DESCRIPTOR,
        policy_pb.DESCRIPTOR,
        refund_pb.DESCRIPTOR,
        approval_pb.DESCRIPTOR,
        chargeback_pb.DESCRIPTOR,
        dispute_pb.DESCRIPTOR,
        event_pb.DESCRIPTOR,
        feed_pb.DESCRIPTOR,
    )
    for service in file.services_by_name.values()
    for method in service.methods
}
MUTATIONS = sorted(
    name for name, method in METHODS.items() if "request_id" in method.input_type.fields_by_name
)
PARTS: Mapping[str, Requests] = {
    "escrows": OF_ESCROWS,
    "agreements": OF_AGREEMENTS,
    "payments": OF_PAYMENTS,
    "parties": OF_PARTIES,
    "payouts": OF_PAYOUTS,
    "operators": OF_OPERATORS,
    "policies": OF_POLICIES,
    "refunds": OF_REFUNDS,
    "approvals": OF_APPROVALS,
    "chargebacks": OF_CHARGEBACKS,
    "disputes": OF_DISPUTES,
    "explanation": OF_EXPLANATIONS,
    "inbox": OF_INBOX,
    "feed": OF_FEED,
}
EVERY_REQUEST: Requests = {name: make for part in PARTS.values() for name, make in part.items()}


async def ask(client: EscrowClient, name: str, request: Message) -> Any:  # noqa: ANN401  the method's answer
    """Calls the method of this name; of a stream the first answer that tells something."""
    stubs = {
        "EscrowService": client.escrows,
        "AgreementService": client.agreements,
        "PartyService": client.parties,
        "OperatorService": client.operators,
        "PolicyService": client.policies,
        "RefundService": client.refunds,
        "ApprovalService": client.approvals,
        "ChargebackService": client.chargebacks,
        "DisputeService": client.disputes,
        "StripeEventService": client.events,
        "EventService": client.feed,
    }
    stub = stubs[METHODS[name].containing_service.name]
    call = getattr(stub, name)(request)
    return await (_first(call) if METHODS[name].server_streaming else call)


async def _first(stream: Any) -> Any:  # noqa: ANN401  a stream of a method's answers
    try:
        return await anext(each async for each in stream if tells(each))
    finally:
        stream.cancel()


def tells(answer: Any) -> bool:  # noqa: ANN401  of a stream
    """Not only that the stream is alive."""
    return not hasattr(answer, "events") or bool(answer.events)


def client_for(market: Marketplace, asked: Asked, *, deadline_s: float = 20.0) -> EscrowClient:
    return market.client(asked.party, role=asked.role, deadline_s=deadline_s)
