"""A client that leaves, or is too late: what it asked for is done whole or not at all.

Either way the same request_id later gets the result.
"""

import asyncio
from contextlib import suppress

import grpc
import pytest

from escrow.client import EscrowClient
from escrow.v1 import escrow_service_pb2 as pb
from service.operations.operators.verify_books import verify_books
from tests.service.operations.catalogue import EVERY_REQUEST, MUTATIONS, ask, client_for
from tests.service.operations.marketplace import Marketplace, acceptance
from tests.service.operations.parties.test_create_payer import payer_request

PAUSES_MS = (0, 0.5, 1, 1.5, 2, 3, 4, 6, 9, 14)


async def leave_after(
    client: EscrowClient, request: pb.AcceptDeliveryRequest, pause_ms: float
) -> None:
    call = client.escrows.AcceptDelivery(request)
    await asyncio.sleep(pause_ms / 1000)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call


async def test_a_client_that_leaves_in_the_middle_of_an_acceptance(market: Marketplace) -> None:
    payee = await market.new_payee()
    runtime = market.running.runtime

    for released, pause_ms in enumerate(PAUSES_MS, start=1):
        escrow = await market.delivered_escrow(payee=payee)
        request = acceptance(escrow)
        await leave_after(market.payer, request, pause_ms)

        report = await verify_books(runtime.pool)  # at one moment, whatever still goes on
        assert report.clean, report
        answer = await market.payer.escrows.AcceptDelivery(request)

        assert answer.escrow.milestones[0].state == pb.MILESTONE_STATE_RELEASING
        kinds = [kind for kind, _ in await market.books()]
        assert kinds.count("released") == kinds.count("transfer_requested") == released
        await market.settle()
    assert (await verify_books(runtime.pool)).clean


async def test_a_client_that_leaves_leaves_no_lease_behind(market: Marketplace) -> None:
    """Whenever it goes: an effect that is leased is sent, and not left for the lease to run out."""
    for number in range(120):
        call = market.service.parties.CreatePayer(payer_request(f"hasty {number}"))
        await asyncio.sleep(number / 10_000)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call

    async def leased() -> int:
        waiting = "SELECT count(*) FROM effects WHERE state = 'SENDING'"
        return int(await market.owner.fetchval(waiting))

    async with asyncio.timeout(10):
        while await leased():  # noqa: ASYNC110  rows tell nobody
            await asyncio.sleep(0.05)
    assert len(await market.sandbox.objects("/v1/customers")) > 0


@pytest.mark.parametrize("name", MUTATIONS)
async def test_a_deadline_that_has_passed_writes_nothing_and_who_was_too_late_asks_again(
    market: Marketplace, name: str
) -> None:
    asked = await EVERY_REQUEST[name](market)
    late = client_for(market, asked, deadline_s=-1.0)
    hasty = client_for(market, asked, deadline_s=0.004)  # about half of what a mutation takes
    patient = client_for(market, asked)

    async with market.unchanged():
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await ask(late, name, asked.request)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    with suppress(grpc.aio.AioRpcError):  # on a fast machine it is in time
        await ask(hasty, name, asked.request)
    await ask(patient, name, asked.request)

    done = "SELECT count(*) FROM operations WHERE key = $1 AND caller = 'orders'"
    assert await market.owner.fetchval(done, asked.request.request_id) == 1
    await market.settle()  # and the books are right then, as after every test
