"""What `escrow up` says when something goes wrong, and what it survives."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web

from escrow.client import new_request_id
from escrow.v1 import party_service_pb2 as party
from tests.depth import only_deep
from tests.service.local.running_up import (
    ENDED_WITHIN_S,
    Up,
    alive,
    calling,
    command,
    descendants,
    postmasters,
    run,
    running,
    until,
)

pytestmark = pytest.mark.timeout(240)

BACKENDS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid"""
SECRETS = {"STRIPE_WEBHOOK_SECRET_PLATFORM": "whsec_1", "STRIPE_WEBHOOK_SECRET_CONNECT": "whsec_2"}


# --- a part that dies


async def test_a_part_that_is_killed_is_told_in_one_line_and_ends_the_rest(tmp_path: Path) -> None:
    async with running(tmp_path, "--no-story", ready="Ctrl-C") as up:
        started = await descendants(up.process.pid)
        _, listed = await run("ps", "-eo", "pid=,args=")
        gateway = next(
            int(pid)
            for pid, _, arguments in (line.strip().partition(" ") for line in listed.splitlines())
            if "webhook_gateway" in arguments and int(pid) in started
        )

        os.kill(gateway, signal.SIGKILL)

        assert await asyncio.wait_for(up.process.wait(), ENDED_WITHIN_S) == 2
        log = f"{up.data_dir}/logs/gateway.log"
        assert up.said().splitlines()[-1] == f"escrow: gateway ended by SIGKILL (its log: {log})"
        assert alive(started) == set()


async def test_why_a_part_does_not_start_is_in_the_line(tmp_path: Path) -> None:
    status, said = await run(*command(tmp_path), STRIPE_CONVERSION="maybe")

    assert status == 2
    told = re.fullmatch(
        r"escrow: (service|worker) ended with status 2: STRIPE_CONVERSION: Input should be "
        r"'refuse' or 'allow' \(its log: (.+)\)",
        said.splitlines()[-1],
    )
    assert told, said
    assert told[2] == f"{tmp_path}/logs/{told[1]}.log"
    assert "Traceback" not in said


# --- the database


async def backends(admin: asyncpg.Connection) -> list[int]:
    return [row["pid"] for row in await admin.fetch(BACKENDS)]


async def kill_a_backend(dsn: str) -> None:
    """By SIGKILL, once the server has recovered from the one before."""
    with suppress(asyncpg.PostgresError, OSError):
        admin = await asyncpg.connect(dsn, ssl=False)
        try:
            for pid in (await backends(admin))[-1:]:
                os.kill(pid, signal.SIGKILL)
        finally:
            admin.terminate()
    await asyncio.sleep(0.1)


async def create_payer(up: Up) -> None:
    """Through the service: it reads, writes, and calls Stripe."""
    request = party.CreatePayerRequest(
        request_id=new_request_id(), reference=new_request_id(), name="Ada", email="ada@example.com"
    )
    async with calling(up.addresses(), deadline_s=30) as client:
        assert (await client.parties.CreatePayer(request)).payer.id


async def test_killed_backends_are_survived(tmp_path: Path) -> None:
    async with running(tmp_path, "--no-story", ready="Ctrl-C") as up:
        started = await descendants(up.process.pid)
        dsn = up.addresses()["database_url"]

        admin = await asyncpg.connect(dsn, ssl=False)
        for pid in await backends(admin):
            await admin.execute("SELECT pg_terminate_backend($1)", pid)
            await create_payer(up)
        await admin.close()
        # One that is killed takes all others with it, and the server recovers from its log.
        for _ in range(100):
            await kill_a_backend(dsn)
            if "the database is away" in up.said():
                break
        await until(lambda: "the database is back" in up.said(), up.said, 20)
        await create_payer(up)
        await asyncio.sleep(3)  # some turns of every loop

        assert up.process.returncode is None, up.said()
        assert started <= await descendants(up.process.pid)
        assert "Traceback" not in up.said()
        for log in ("service", "worker", "gateway"):
            written = (up.data_dir / "logs" / f"{log}.log").read_text()
            assert "worker in trouble" not in written
        assert await up.interrupt(signal.SIGINT) == 0


async def test_a_server_that_is_gone_is_told_in_one_line(tmp_path: Path) -> None:
    async with running(tmp_path, "--no-story", ready="Ctrl-C") as up:
        started = await descendants(up.process.pid)
        [pid_file] = postmasters(up.data_dir)
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)

        assert await asyncio.wait_for(up.process.wait(), ENDED_WITHIN_S) == 2
        last = up.said().splitlines()[-1]
        assert last.startswith("escrow: PostgreSQL ended"), up.said()
        assert "Traceback" not in up.said()
        assert alive(started) == set()


# --- the story


@only_deep
async def test_the_story_is_played_in_an_empty_database_only_or_when_asked_for(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, "--no-story", ready="Ctrl-C") as up:
        await create_payer(up)
        assert "A payer and a payee" not in up.said()
        await up.interrupt(signal.SIGINT)
    async with running(tmp_path, ready="Ctrl-C") as up:
        assert "A payer and a payee" not in up.said()
        assert "make run STORY=1" in up.said()
        assert "EscrowService/ListEscrows" in up.said()
        await up.interrupt(signal.SIGINT)
    async with running(tmp_path, "--story", ready="Ctrl-C") as up:
        assert "A payer and a payee" in up.said()


# --- Stripe


@pytest.mark.parametrize(
    ("key", "told"),
    [("sk_live_1", "is not a test key"), ("sk_test_1", "also set STRIPE_WEBHOOK_SECRET_PLATFORM")],
)
async def test_a_key_that_will_not_do_is_one_line(tmp_path: Path, key: str, told: str) -> None:
    status, said = await run(*command(tmp_path), STRIPE_SECRET_KEY=key)

    assert status == 2
    assert told in said
    assert said.count("\n") == 1


@asynccontextmanager
async def stripe_answering(status: int, body: str) -> AsyncIterator[str]:
    """Something at Stripe's address that says the same to everything."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


WRONG_KEY = '{"error": {"message": "Invalid API Key provided: sk_test_****ong", "type": "x"}}'


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, WRONG_KEY, "Stripe does not take STRIPE_SECRET_KEY (Invalid API Key provided"),
        (503, "{}", "Stripe answers 503"),
        (200, "<html>", "Stripe cannot be reached"),
    ],
)
async def test_a_stripe_that_does_not_take_the_key_is_one_line(
    tmp_path: Path, status: int, body: str, told: str
) -> None:
    async with stripe_answering(status, body) as base:
        given = {"STRIPE_SECRET_KEY": "sk_test_wrong", "STRIPE_API_BASE": base, **SECRETS}
        ended, said = await run(*command(tmp_path), **given)

    assert ended == 2
    assert told in said.splitlines()[-1]
    assert "Traceback" not in said
    assert "sk_test_wrong" not in said


async def test_a_stripe_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    given = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": "http://127.0.0.1:9", **SECRETS}
    ended, said = await run(*command(tmp_path), **given)

    assert ended == 2
    assert said.splitlines()[-1].startswith(
        "escrow: Stripe cannot be reached at http://127.0.0.1:9 ("
    )
    assert "unset STRIPE_SECRET_KEY" in said


@only_deep
async def test_with_a_key_that_is_taken_a_person_is_told_what_to_do(tmp_path: Path) -> None:
    """The sandbox stands for Stripe itself here: to all else it is Stripe."""
    folders = tmp_path / "stripe", tmp_path / "up"
    for folder in folders:
        folder.mkdir()
    async with running(folders[0], "--no-story", ready="Ctrl-C") as stripe:
        given = {
            "STRIPE_SECRET_KEY": "sk_test_1",
            "STRIPE_API_BASE": stripe.addresses()["sandbox"],
            **SECRETS,
        }
        async with running(folders[1], ready="Ctrl-C", environment=given) as up:
            said = up.said()
            await until(lambda: "stripe listen --forward-to" in said, up.said, 1)
            assert "Onboard the payee" in said
            assert "Pay with 4242" in said
            assert (up.data_dir / "postgres-at-stripe").is_dir()
            assert not (up.data_dir / "postgres").exists()
