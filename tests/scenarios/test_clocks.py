"""Processes whose machines tell another time: what one writes, the others still understand."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from escrow.client import new_request_id
from escrow.v1 import escrow_service_pb2 as pb
from tests.postgres import Server
from tests.scenarios.deal import open_deal
from tests.scenarios.program import until
from tests.world import World, open_world

# Python reads this before anything of a program: its machine's clock is so far behind.
BEHIND = """\
import datetime

class Behind(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) - datetime.timedelta(hours=2)

datetime.datetime = Behind
"""
EFFECT = """
SELECT state, attempts, extract(epoch FROM due_at - updated_at)::float AS pause_s,
    abs(extract(epoch FROM now() - key_used_at))::float AS since_first_s,
    abs(extract(epoch FROM now() - created_at))::float AS since_planned_s
FROM effects WHERE kind = 'create_payment_intent'"""


@pytest.fixture
async def world(
    postgres_server: Server, template_database: str, tmp_path: Path
) -> AsyncIterator[World]:
    (tmp_path / "sitecustomize.py").write_text(BEHIND)
    async with open_world(postgres_server, template_database, tmp_path) as world:
        yield world


async def test_a_service_whose_clock_is_two_hours_behind_makes_nobody_wait(world: World) -> None:
    """Its effects were due two hours ago for others, and a lost answer waited for ten minutes."""
    await world.stop("service")
    world.programs["service"].environment["PYTHONPATH"] = str(world.folder)
    await world.start("service")
    deal = await open_deal(world)
    await world.stop("worker")
    lost = {"kind": "cut_before_effect", "path_prefix": "/v1/payment_intents", "times": 1000}
    await world.sandbox.control("POST", "faults", **lost)
    request = pb.FundEscrowRequest(request_id=new_request_id(), escrow_id=deal.escrow.id)
    with pytest.raises(grpc.aio.AioRpcError):
        await deal.as_payer.escrows.FundEscrow(request)
    first = await world.pool.fetchrow(EFFECT)
    assert first is not None
    assert first["since_first_s"] < 60
    assert first["since_planned_s"] < 60
    assert first["pause_s"] < 60

    await world.start("worker")

    async def tried_again() -> bool:
        row = await world.pool.fetchrow(EFFECT)
        return bool(row and row["state"] == "UNKNOWN" and row["attempts"] > first["attempts"])

    async def done() -> bool:
        row = await world.pool.fetchrow(EFFECT)
        return bool(row and row["state"] == "SUCCEEDED")

    await until(tried_again, "second attempt by the worker")
    again = await world.pool.fetchrow(EFFECT)
    assert again is not None
    assert again["pause_s"] < 60
    await world.sandbox.control("DELETE", "faults")
    await world.let_pass(300)  # the pause has doubled a few times
    await until(done, "end of the effect")
