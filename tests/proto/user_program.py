"""Every public name of the client, as its user writes it; test_package.py checks its types."""

from typing import assert_type

import grpc

from escrow.client import (
    EscrowClient,
    FieldViolation,
    Party,
    SyncEscrowClient,
    Token,
    connect,
    connect_sync,
    details_of,
    new_request_id,
    reason_of,
)
from escrow.v1.escrow_service_pb2 import (
    ESCROW_STATE_ACTIVE,
    CreateEscrowRequest,
    Escrow,
    EscrowState,
    FundEscrowRequest,
    FundEscrowResponse,
    GetEscrowRequest,
    MilestoneInput,
    MilestoneState,
)
from escrow.v1.escrow_service_pb2_grpc import EscrowServiceAsyncStub
from escrow.v1.money_pb2 import Money
from escrow.v1.party_service_pb2 import GetPayeeRequest, Payee
from escrow.v1.party_service_pb2_grpc import PartyServiceAsyncStub


def read_token() -> str:
    return "from memory"


TOKEN: Token = read_token
PAYER: Party = "payer"


async def main(target: str, credentials: grpc.ChannelCredentials) -> Escrow | None:
    async with connect(
        target, tenant="acme", caller="orders", deadline_s=5, credentials=credentials, token=TOKEN
    ) as client:
        assert_type(client, EscrowClient)
        assert_type(client.escrows, EscrowServiceAsyncStub)
        assert_type(client.parties, PartyServiceAsyncStub)
        found = await client.parties.GetPayee(GetPayeeRequest(payee_id="pye_1"))
        assert_type(found.payee, Payee)
        try:
            return await fund(client.acting(PAYER), found.payee)
        except grpc.aio.AioRpcError as error:
            assert_type(reason_of(error), str)
            return None


async def fund(payer: EscrowClient, payee: Payee) -> Escrow:
    request = CreateEscrowRequest(
        request_id=new_request_id(),
        payee_id=payee.id,
        currency="USD",
        milestones=[MilestoneInput(title="All", amount_minor=10_000)],
        metadata={"order": "1"},
    )
    created = await payer.escrows.CreateEscrow(request, timeout=3, wait_for_ready=True)
    funding = FundEscrowRequest(request_id=new_request_id(), escrow_id=created.escrow.id)
    call = payer.escrows.FundEscrow(funding, metadata=grpc.aio.Metadata(("traceparent", "00-1")))
    assert_type(call, grpc.aio.UnaryUnaryCall[FundEscrowRequest, FundEscrowResponse])
    assert_type((await call).payment.amount, Money)
    read = await payer.escrows.GetEscrow(GetEscrowRequest(escrow_id=created.escrow.id))
    if read.escrow.state == ESCROW_STATE_ACTIVE:
        assert_type(read.escrow.state, EscrowState.ValueType)
        assert_type(read.escrow.milestones[0].state, MilestoneState.ValueType)
    return read.escrow


def without_asyncio(target: str) -> str:
    with connect_sync(target, tenant="acme", caller="orders", token=TOKEN) as client:
        assert_type(client, SyncEscrowClient)
        try:
            found = client.acting(PAYER).parties.GetPayee(GetPayeeRequest(reference="seller 1"))
            assert_type(found.payee, Payee)
        except grpc.RpcError as error:
            details = details_of(error)
            assert_type(details.field_violations, tuple[FieldViolation, ...])
            assert_type(details.retry_delay_s, float | None)
            return details.reason
        return found.payee.id
