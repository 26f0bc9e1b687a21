import asyncio
import os
import sys
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from escrow.v1 import escrow_service_pb2, escrow_service_pb2_grpc
from service.config import Config, Settings, Tenant
from service.server import EXIT_HANGING, running
from tests.postgres import Database


def config_for(dsn: str, **settings: object) -> Config:
    given: dict[str, Any] = {
        "auth": "development",
        "database_url": dsn,
        "grpc_port": 0,
        "drain_s": 1,
        **settings,
    }
    sandbox = Tenant("sk_test_1", "http://127.0.0.1:9", 20)  # nothing listens there: never called
    return Config(Settings(**given), {"default": sandbox})


async def test_a_server_serves_the_contract_and_its_health(database: Database) -> None:
    async with running(config_for(database.worker_dsn), serve=True, work=True) as everything:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{everything.port}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            escrows: Any = escrow_service_pb2_grpc.EscrowServiceStub(channel)

            said = await health.Check(
                health_pb2.HealthCheckRequest(service="escrow.v1.EscrowService"), timeout=5
            )
            quoted = await escrows.QuoteFees(
                escrow_service_pb2.QuoteFeesRequest(currency="USD", amounts_minor=[5000]), timeout=5
            )

        assert said.status == health_pb2.HealthCheckResponse.SERVING
        assert quoted.total.payer_total.amount_minor > 5000
        assert not everything.runtime.pool.is_closing()
    assert everything.runtime.pool.is_closing()


async def test_a_process_of_workers_has_no_port(database: Database) -> None:
    async with running(config_for(database.worker_dsn), serve=False, work=True) as everything:
        assert everything.port is None


async def test_a_process_that_hangs_is_ended() -> None:
    hang = "import service.server as s, time; s._end_process_after(0.1); time.sleep(60)"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        hang,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == EXIT_HANGING
    assert b"did not stop in time" in said
