"""A replay is told byte for byte what was told first: not only an equal message."""

from typing import Any

import pytest
from google.protobuf.message import Message

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from escrow.v1 import party_service_pb2 as party_pb
from tests.service.operations.marketplace import TENANT, Marketplace, escrow_request

METADATA = {f"key {number}": f"text {number}" for number in range(12)}
"""A map has no order of its own: twelve entries are rarely told twice in the same one."""


async def ask(market: Marketplace, method: str, request: Message) -> bytes:
    """The answer as it came over the wire."""
    call: Any = market.channel.unary_unary(
        f"/escrow.v1.{method}", request_serializer=type(request).SerializeToString
    )
    answer: bytes = await call(
        request, metadata=(("escrow-tenant", TENANT), ("escrow-caller", "orders")), timeout=20
    )
    return answer


async def an_escrow(market: Marketplace) -> pb.CreateEscrowRequest:
    request = escrow_request(
        payer=await market.new_payer(), payee=await market.new_payee(active=False)
    )
    request.metadata.update(METADATA)
    return request


async def test_twelve_metadata_entries_are_told_in_the_same_order(market: Marketplace) -> None:
    request = await an_escrow(market)

    first = await ask(market, "EscrowService/CreateEscrow", request)

    assert pb.CreateEscrowResponse.FromString(first).escrow.metadata == METADATA
    for _ in range(5):
        # As another process of the same client would write it down.
        again = pb.CreateEscrowRequest()
        again.CopyFrom(request)
        again.ClearField("metadata")
        for name in reversed(METADATA):
            again.metadata[name] = METADATA[name]
        assert await ask(market, "EscrowService/CreateEscrow", again) == first


@pytest.mark.parametrize("account_api", [party_pb.ACCOUNT_API_V1, party_pb.ACCOUNT_API_V2])
async def test_a_payee_is_told_the_same_again(
    market: Marketplace, account_api: party_pb.AccountApi.ValueType
) -> None:
    request = party_pb.CreatePayeeRequest(
        request_id=new_request_id(),
        reference="u-2",
        name="Bob Payee",
        email="bob@example.com",
        country="US",
        account_api=account_api,
    )
    first = await ask(market, "PartyService/CreatePayee", request)

    assert await ask(market, "PartyService/CreatePayee", request) == first
