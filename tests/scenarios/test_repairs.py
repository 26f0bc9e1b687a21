"""A process dies while an operator repairs: it is done whole or not at all, and once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import operator_service_pb2 as op
from tests.postgres import Server
from tests.scenarios.deal import open_deal
from tests.world import World, open_world

TRIES = 3  # of the SDK itself
PAUSES_S = (0.0, 0.005, 0.02)
UNKNOWN = """
SELECT 'eff_' || replace(effect_id::text, '-', '') FROM effects
WHERE kind = 'create_transfer' AND state = 'UNKNOWN'"""


@pytest.fixture
async def world(
    postgres_server: Server, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("repairs")
    async with open_world(postgres_server, template_database, folder) as world:
        yield world
        await world.start_all()
        await world.check()


async def lost_transfer(world: World) -> str:
    """A transfer that was made, and nobody heard of it; no worker looks after it."""
    deal = await open_deal(world)
    await deal.pay_for()
    await deal.deliver()
    await world.sandbox.hold()  # its event would tell
    await world.sandbox.arm(kind="cut_after_effect", path_prefix="/v1/transfers", times=TRIES)
    await deal.accept()
    async with asyncio.timeout(30):
        while not (effect_id := await world.pool.fetchval(UNKNOWN)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await world.kill("worker")
    await world.pool.execute(
        "UPDATE effects SET state = 'UNKNOWN', lease_expires_at = NULL WHERE state = 'SENDING'"
    )
    return str(effect_id)


async def test_the_service_dies_while_a_transfer_is_settled(world: World) -> None:
    effect_id = await lost_transfer(world)
    made = (await world.sandbox.all_of("/v1/transfers"))[0]["id"]
    request = op.SettleEffectRequest(
        request_id=new_request_id(), effect_id=effect_id, stripe_object=made, reason="It is there."
    )
    for pause_s in PAUSES_S:
        operator = world.client.acting("operator")
        call = asyncio.ensure_future(operator.operators.SettleEffect(request))
        await asyncio.sleep(pause_s)
        await world.kill("service")
        call.cancel()
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            await call
        await world.start("service")

    operator = world.client.acting("operator")
    first = await operator.operators.SettleEffect(request)
    again = await operator.operators.SettleEffect(request)

    assert first.effect.state == op.EFFECT_STATE_SUCCEEDED
    assert first == again
    confirmed = "SELECT count(*) FROM journals WHERE kind = 'transfer_confirmed'"
    assert await world.pool.fetchval(confirmed) == 1
    done = "SELECT count(*) FROM operations WHERE kind = 'settle_effect' AND party = 'operator'"
    assert await world.pool.fetchval(done) == 1
