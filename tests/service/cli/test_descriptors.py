"""A service that may have few descriptors, and a flood of connections that say nothing."""

import asyncio
import json
import os
import re
import socket
import sys
from asyncio.subprocess import PIPE
from contextlib import AsyncExitStack

import pytest

from escrow.client import connect
from escrow.v1.escrow_service_pb2 import ListEscrowsRequest
from service.rpc.grpc_server import OWN_DESCRIPTORS
from tests.depth import deeper
from tests.postgres import Database
from tests.service.operations.marketplace import API_KEY

FLOOD = 300


@pytest.mark.parametrize("descriptors", deeper([64], [64, 256]))
async def test_few_descriptors_are_said_and_survived(
    database: Database, sandbox_url: str, descriptors: int
) -> None:
    ours = ("ESCROW_", "STRIPE_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        "ESCROW_AUTH": "development",
        "ESCROW_DATABASE_URL": database.service_dsn,
        "STRIPE_SECRET_KEY": API_KEY,
        "STRIPE_API_BASE": sandbox_url,
    }
    program = sys.executable, "-m", "service", "serve", "--port", "0"
    limited = "/bin/sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *program
    process = await asyncio.create_subprocess_exec(
        *limited, env=environment, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    try:
        listening = re.search(r":(\d+)", (await process.stdout.readline()).decode())
        assert listening is not None
        port = int(listening[1])
        async with AsyncExitStack() as stack:
            for _ in range(FLOOD):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            # It drops them after ten seconds, and lets the next ones wait as long.
            client = await stack.enter_async_context(
                connect(f"127.0.0.1:{port}", tenant="default", caller="orders")
            )
            for _ in range(20):  # each needs a connection to the database, or has one
                await client.escrows.ListEscrows(
                    ListEscrowsRequest(), timeout=60, wait_for_ready=True
                )
        process.terminate()
        _, errors = await asyncio.wait_for(process.communicate(), timeout=30)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.decode().splitlines() if line.startswith("{")]
    said = [line["connections"] for line in lines if line["event"] == "few descriptors"]
    assert said == ([descriptors - OWN_DESCRIPTORS] if descriptors < 248 else [])
