"""The client without asyncio: from many threads, and from processes that are forked."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
import pytest_asyncio

from escrow.client import (
    ErrorDetails,
    FieldViolation,
    PreconditionViolation,
    SyncEscrowClient,
    connect,
    connect_sync,
    details_of,
    reason_of,
)
from escrow.v1.escrow_service_pb2 import GetEscrowResponse
from service.domain import errors as refusals
from service.rpc import errors
from tests.proto.test_client import REQUEST, Context, Service, abort, hang, serving

FORKED = Path(__file__).with_name("forking_program.py")


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


def client_of(service: Service, **more: object) -> SyncEscrowClient:
    return connect_sync(service.target, tenant="acme", caller="orders", **more)  # type: ignore[arg-type]  # any


async def test_a_call_says_for_whom_it_is_made(service: Service) -> None:
    tokens = iter(["first", "second", "third"])
    with client_of(service, token=lambda: next(tokens)) as client:
        response = await asyncio.to_thread(client.escrows.GetEscrow, REQUEST)
        payer = client.acting("payer").escrows
        await asyncio.to_thread(payer.GetEscrow, REQUEST, metadata=(("traceparent", "00-1"),))
        future = client.acting("payee").escrows.GetEscrow.future(REQUEST)
        await asyncio.to_thread(future.result)

    assert isinstance(response, GetEscrowResponse)
    assert [m.get("escrow-party") for m in service.metadata] == [None, "payer", "payee"]
    assert {m["escrow-tenant"] for m in service.metadata} == {"acme"}
    assert [m["authorization"] for m in service.metadata] == [
        f"Bearer {token}" for token in ("first", "second", "third")
    ]
    assert service.metadata[1]["traceparent"] == "00-1"


async def test_a_call_has_a_deadline_and_a_retry(service: Service) -> None:
    with client_of(service, deadline_s=0.5) as client:
        service.behaviours = [hang]
        with pytest.raises(grpc.RpcError) as failed:
            await asyncio.to_thread(client.escrows.GetEscrow, REQUEST)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        service.behaviours = [abort(grpc.StatusCode.UNAVAILABLE)]
        await asyncio.to_thread(client.escrows.GetEscrow, REQUEST, timeout=5)
    assert len(service.requests) == 3


async def test_many_threads_share_one_client(service: Service) -> None:
    client = client_of(service)

    def call(_: int) -> GetEscrowResponse:
        return client.acting("payer").escrows.GetEscrow(REQUEST)

    def all_of_them() -> int:
        with ThreadPoolExecutor(20) as threads:
            return len(list(threads.map(call, range(200))))

    assert await asyncio.to_thread(all_of_them) == 200
    client.close()
    await asyncio.to_thread(client.escrows.GetEscrow, REQUEST)  # connects anew
    client.close()
    assert len(service.requests) == 201


def test_a_token_leaves_this_machine_encrypted_only() -> None:
    with pytest.raises(ValueError, match="plain text"):
        connect_sync("escrow:50051", tenant="acme", caller="orders", token="s3cret")


@pytest.mark.parametrize("parent_calls", ["", "parent calls"])
async def test_forked_workers_have_connections_of_their_own(
    service: Service, parent_calls: str
) -> None:
    """As gunicorn and Celery fork them; the second with GRPC_ENABLE_FORK_SUPPORT."""
    command = [sys.executable, str(FORKED), service.target, parent_calls]
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "0", "0"]
    assert len(service.requests) == 30 + bool(parent_calls)


# --- what an error says


async def details(service: Service, refusal: refusals.Refusal, *, sync: bool) -> ErrorDetails:
    async def refuse(context: Context) -> None:
        await errors.abort(context, refusal)

    service.behaviours = [refuse] * 9
    with client_of(service) as client:
        if sync:
            with pytest.raises(grpc.RpcError) as failed:
                await asyncio.to_thread(client.escrows.GetEscrow, REQUEST)
            return details_of(failed.value)
    async with connect(service.target, tenant="acme", caller="orders") as awaited:
        with pytest.raises(grpc.RpcError) as failed:
            await awaited.escrows.GetEscrow(REQUEST)
    return details_of(failed.value)


@pytest.mark.parametrize("sync", [True, False])
async def test_the_details_of_an_error_are_typed(service: Service, *, sync: bool) -> None:
    too_much = refusals.AmountAboveBalance(amount_minor=500, balance_minor=200, currency="USD")
    wrong = refusals.InvalidField(
        refusals.FieldViolation("milestones[0].amount_minor", "must be at least 1")
    )

    assert await details(service, too_much, sync=sync) == ErrorDetails(
        reason="AMOUNT_ABOVE_BALANCE",
        message="5.00 USD is more than the balance: 2.00 USD.",
        metadata={"amount_minor": "500", "balance_minor": "200", "currency": "USD"},
        precondition_violations=(
            PreconditionViolation(
                "AMOUNT_ABOVE_BALANCE", "", "5.00 USD is more than the balance: 2.00 USD."
            ),
        ),
    )
    refused = await details(service, wrong, sync=sync)
    assert refused.reason == "INVALID_FIELD"
    assert refused.field_violations == (
        FieldViolation("milestones[0].amount_minor", "must be at least 1"),
    )
    assert (await details(service, refusals.DatabaseUnavailable(), sync=sync)).retry_delay_s == 1.0


@pytest.mark.parametrize("trailer", [b"", b"\xff\xff\xff", None])
async def test_an_error_of_somebody_else_has_no_details(
    service: Service, trailer: bytes | None
) -> None:
    trailers = () if trailer is None else (("grpc-status-details-bin", trailer),)
    service.behaviours = [abort(grpc.StatusCode.NOT_FOUND, *trailers)]
    with client_of(service) as client, pytest.raises(grpc.RpcError) as failed:
        await asyncio.to_thread(client.escrows.GetEscrow, REQUEST)

    assert details_of(failed.value) == ErrorDetails(message="refused")
    assert reason_of(failed.value) == ""
