from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from escrow.v1 import escrow_service_pb2, escrow_service_pb2_grpc
from service.config import Config, Settings, Tenant
from service.database import DatabaseProblem
from service.server import running
from tests.postgres import Database, Server, empty_database


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
    async with running(config_for(database.service_dsn), serve=True, work=True) as everything:
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
        assert not everything.house.pool.is_closing()
    assert everything.house.pool.is_closing()


async def test_a_process_of_workers_has_no_port(database: Database) -> None:
    async with running(config_for(database.service_dsn), serve=False, work=True) as everything:
        assert everything.port is None


async def test_behind_a_pooler_nothing_is_prepared(database: Database) -> None:
    config = config_for(database.service_dsn, pgbouncer=True)

    async with (
        running(config, serve=False, work=False) as everything,
        everything.house.pool.acquire() as connection,
    ):
        assert await connection.fetchval("SELECT current_user") == "escrow_test_login"
        assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements") == 0


async def test_a_database_without_the_schema_is_told(postgres_server: Server) -> None:
    async with empty_database(postgres_server) as dsn:
        with pytest.raises(DatabaseProblem, match="run `escrow migrate up`"):
            async with running(config_for(dsn), serve=True, work=False):
                pass


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://escrow:hunter2@127.0.0.1:1/escrow",
        "postgresql://escrow:hunter2@host.invalid/escrow",
        "postgresql://escrow:hunter2@127.0.0.1:port/escrow",
    ],
)
async def test_a_database_out_of_reach_is_one_line_without_the_password(dsn: str) -> None:
    with pytest.raises(DatabaseProblem, match="cannot use the database at") as caught:
        async with running(config_for(dsn), serve=True, work=False):
            pass
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
