"""The program: it says where it listens, refuses in one line, and stops when asked."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest


@asynccontextmanager
async def program(*options: str) -> AsyncIterator[Process]:
    """The sandbox as a program of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stripe_sandbox", *options, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def url_of(process: Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("Stripe sandbox listening on http://127.0.0.1:")
    return line.split()[-1]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_a_signal(tmp_path: Path, signal_number: signal.Signals) -> None:
    config = tmp_path / "sandbox.json"
    config.write_text(
        json.dumps(
            {
                "webhooks": [
                    {"url": "http://127.0.0.1:9/connect", "secret": "whsec_c", "connect": True}
                ]
            }
        )
    )
    async with program(
        "--data", str(tmp_path / "stripe.sqlite"), "--config", str(config),
        "--webhook-platform", "http://127.0.0.1:9/platform", "whsec_p",
    ) as process:  # fmt: skip
        url = await url_of(process)
        headers = {"Authorization": "Bearer sk_test_x"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.get(f"{url}/v1/webhook_endpoints") as answer,
        ):
            urls = {endpoint["url"] for endpoint in (await answer.json())["data"]}
        assert urls == {"http://127.0.0.1:9/platform", "http://127.0.0.1:9/connect"}
        process.send_signal(signal_number)
        async with asyncio.timeout(10):
            _, errors = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in errors


async def refusal(*options: str) -> str:
    """What the program says when it cannot start: one line, and a status."""
    async with program(*options) as process:
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
    assert process.returncode == 1
    [line] = errors.decode().splitlines()
    return line


async def test_a_port_that_is_taken_gets_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = await refusal("--port", str(port))
    assert line.startswith(f"stripe_sandbox: port {port} on 127.0.0.1:")


async def test_a_data_file_that_is_in_use_gets_one_clear_line(tmp_path: Path) -> None:
    data = tmp_path / "stripe.sqlite"
    async with program("--data", str(data)) as process:
        await url_of(process)
        assert "locked" in await refusal("--data", str(data))


@pytest.mark.parametrize(
    "text", [None, "{", "[]", '{"webhooks": [{"url": "http://a"}]}', '{"webhooks": [1]}']
)
async def test_a_config_that_makes_no_sense_gets_one_clear_line(
    tmp_path: Path, text: str | None
) -> None:
    config = tmp_path / "sandbox.json"
    if text is not None:
        config.write_text(text)
    assert "sandbox.json" in await refusal("--config", str(config))
