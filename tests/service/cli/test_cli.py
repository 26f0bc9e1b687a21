import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
import pytest_asyncio
import structlog
import typer.main
from grpc_health.v1 import health_pb2, health_pb2_grpc

from service.cli import main
from service.cli.commands import app
from service.server import EXIT_INTERRUPTED
from tests.postgres import Database, Server, empty_database
from tests.service.cli.test_numbers import options

Environment = pytest.MonkeyPatch


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def escrow(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Runs the command line in this process, whose logs it must not keep for itself."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["escrow", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        return Said(int(left.value.code or 0), out, err)

    yield run
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def configured(monkeypatch: Environment, database: Database) -> Environment:
    for name in os.environ:
        if name.startswith(("ESCROW_", "STRIPE_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ESCROW_AUTH", "development")
    monkeypatch.setenv("ESCROW_DATABASE_URL", database.owner_dsn)
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_1")
    monkeypatch.setenv("STRIPE_API_BASE", "http://127.0.0.1:9")
    return monkeypatch


def test_version(escrow: Run) -> None:
    assert json.loads(escrow("version", "--json").out)["grpcio"] in escrow("version").out


def test_the_release_alone(escrow: Run) -> None:
    release = json.loads(escrow("version", "--json").out)["escrow-service"]

    assert escrow("--version") == Said(0, f"escrow {release}\n", "")


def test_no_command_prints_the_help_and_one_that_is_none_is_one_line(escrow: Run) -> None:
    nothing, wrong = escrow(), escrow("shwo")

    assert nothing.status == 2
    assert "trial-balance" in nothing.out + nothing.err
    assert (wrong.status, wrong.out) == (2, "")
    assert wrong.err.startswith("escrow: No such command 'shwo'")
    assert wrong.err.count("\n") == 1


@pytest.mark.parametrize("command", [["show"], ["balances"], ["effects", "show"]])
def test_an_argument_that_is_no_text_is_one_line(
    escrow: Run, configured: Environment, command: list[str]
) -> None:
    said = escrow(*command, os.fsdecode(b"a\xff"))

    assert said == Said(2, "", "escrow: Invalid value: an argument is not UTF-8\n")


def test_bad_configuration_is_one_line(escrow: Run, configured: Environment) -> None:
    configured.delenv("ESCROW_AUTH")
    configured.delenv("STRIPE_SECRET_KEY")

    for command in (["serve"], ["work"]):
        said = escrow(*command)
        assert said.status == 2
        assert said.err == (
            "escrow: ESCROW_AUTH: is required; STRIPE_SECRET_KEY: is required when there is no"
            " ESCROW_TENANTS_FILE\n"
        )


@pytest.mark.parametrize("command", [["serve"], ["work"], ["verify"], ["migrate", "up"]])
def test_a_database_out_of_reach_is_one_line(
    escrow: Run, configured: Environment, command: list[str]
) -> None:
    configured.setenv("ESCROW_DATABASE_URL", "postgresql://escrow:hunter2@127.0.0.1:1/escrow")

    said = escrow(*command)

    assert said.status == 2
    assert said.err.startswith(
        "escrow: cannot use the database at postgresql://[redacted]@127.0.0.1:1"
    )
    assert said.err.count("\n") == 1


def test_a_taken_port_is_one_line(escrow: Run, configured: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        said = escrow("serve", "--port", str(port))

    assert said.status == 2
    assert said.err == f"escrow: cannot listen on 127.0.0.1:{port}: Address already in use\n"


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A process of its own, and what it said when it was ready."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "service", "serve", "--port", "0", "--with-workers", "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_serve_says_where_and_drains_when_told(configured: Environment) -> None:
    with serving() as (process, ready):
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    assert ready["listening"].startswith("127.0.0.1:")
    assert ready["tenants"] == ["default"]
    assert "EffectsWorker" in ready["workers"]
    assert process.returncode == 0
    told = [json.loads(line)["event"] for line in err.splitlines()]
    # There is no Stripe to read of.
    assert [event for event in told if event != "sweep interrupted"] == [
        "return_hosts is not set: URLs of any host are taken",
        "draining",
        "stopped",
    ]


def test_a_second_signal_does_not_wait_for_open_calls(configured: Environment) -> None:
    with serving() as (process, ready), grpc.insecure_channel(ready["listening"]) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        next(watch)  # an open call, which draining would wait for
        process.send_signal(signal.SIGINT)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert process.poll() is None
        process.send_signal(signal.SIGINT)

        assert process.wait(timeout=10) == EXIT_INTERRUPTED


# --- the schema ---------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def unmigrated(configured: Environment, postgres_server: Server) -> AsyncIterator[None]:
    async with empty_database(postgres_server) as dsn:
        configured.setenv("ESCROW_DATABASE_URL", dsn)
        yield


def test_migrations_up_down_and_their_status(escrow: Run, unmigrated: None) -> None:
    before = escrow("migrate", "status", "--json")
    assert before.status == 1
    assert {one["state"] for one in json.loads(before.out)["migrations"]} == {"pending"}

    files = json.loads(escrow("migrate", "up", "--json").out)["applied"]
    assert files == [one["file"] for one in json.loads(before.out)["migrations"]]
    assert escrow("migrate", "up").out == "nothing to do\n"
    assert escrow("migrate", "status").status == 0
    assert escrow("migrate", "distribute").out.startswith("nothing to do: ")
    answer = json.loads(escrow("migrate", "distribute", "--apply", "--json").out)
    assert answer == {"citus": False, "applied": False, "calls": []}
    assert "CREATE TABLE public.escrows" in escrow("migrate", "dump").out

    undone = escrow("migrate", "down", "--count", str(len(files)), "--yes", "--json")
    assert json.loads(undone.out) == {"taken_back": files[::-1]}
    assert escrow("migrate", "status").status == 1


def test_taking_back_asks_first(escrow: Run, configured: Environment) -> None:
    configured.setattr(sys, "stdin", io.StringIO("n\n"))

    assert escrow("migrate", "down").status == 1
    assert escrow("migrate", "status").status == 0


# --- the books ----------------------------------------------------------------------------------


def test_empty_books_are_right(escrow: Run, configured: Environment) -> None:
    said = escrow("verify")
    assert said.status == 0
    assert "the books are right" in said.out

    report = json.loads(escrow("verify", "--json").out)
    assert report["clean"] is True
    assert {"postings", "balances"} <= {check["name"] for check in report["checks"]}


def test_no_help_is_taken_for_markup() -> None:
    """Rich shows nothing of what stands in square brackets."""
    said = {each.id: each.values[1].help or "" for each in options(typer.main.get_command(app))}
    assert [name for name, text in said.items() if "[" in text] == []
