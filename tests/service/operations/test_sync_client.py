"""The client without asyncio against the service itself."""

import asyncio

import grpc
import pytest

from escrow.client import connect_sync, details_of, new_request_id
from escrow.v1 import party_service_pb2 as party_pb
from escrow.v1.escrow_service_pb2 import QuoteFeesRequest
from tests.service.operations.marketplace import Marketplace


async def test_the_real_service_answers_it(shared_market: Marketplace) -> None:
    target = f"127.0.0.1:{shared_market.running.port}"
    client = connect_sync(target, tenant="default", caller="django")
    payer = party_pb.CreatePayerRequest(
        request_id=new_request_id(), reference=new_request_id(), name="Ann", email="a@example.com"
    )

    made = (await asyncio.to_thread(client.parties.CreatePayer, payer)).payer
    again = party_pb.CreatePayerRequest()
    again.CopyFrom(payer)
    again.request_id = new_request_id()
    with pytest.raises(grpc.RpcError) as taken:
        await asyncio.to_thread(client.parties.CreatePayer, again)
    quote = QuoteFeesRequest(currency="ISK", amounts_minor=[123_450, 1_234_567])
    with pytest.raises(grpc.RpcError) as step:
        await asyncio.to_thread(client.escrows.QuoteFees, quote)
    client.close()

    assert details_of(taken.value).reason == "ALREADY_EXISTS"
    assert details_of(taken.value).metadata == {"payer_id": made.id}
    told = details_of(step.value)
    assert (told.reason, told.metadata["step_minor"]) == ("AMOUNT_NOT_MULTIPLE", "100")
    assert [each.field for each in told.field_violations] == [
        "amounts_minor[0]",
        "amounts_minor[1]",
    ]
