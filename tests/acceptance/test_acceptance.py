"""`make acceptance` as a person starts it. A second sandbox stands for Stripe: that shows that it
runs to its end, compares and cleans up, and says nothing about Stripe.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe

from tests.acceptance.stories import STORIES
from tests.depth import only_deep
from tests.scenarios.program import ROOT, Program
from tests.scenarios.sandbox_client import SandboxClient

pytestmark = pytest.mark.timeout(300)


async def acceptance(*options: str, **environment: str) -> tuple[int, str, str]:
    """Runs it to its end: (exit status, standard output, standard error)."""
    inherited = {name: value for name, value in os.environ.items() if "STRIPE_" not in name}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.acceptance", *options),
        cwd=ROOT,
        env=inherited | {"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"} | environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[SandboxClient]:
    """Another sandbox."""
    command = ["stripe_sandbox", "--port", "0"]
    program = Program("other", command, {}, tmp_path, r"Stripe sandbox listening on (\S+)")
    url = await program.start()
    async with aiohttp.ClientSession() as http:
        yield SandboxClient(url, http)
    await program.end()


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "acceptance: set STRIPE_SECRET_KEY to the secret key (sk_test_...)"),
        ({"STRIPE_SECRET_KEY": "sk_live_1"}, "acceptance: STRIPE_SECRET_KEY is not a test key"),
        ({"STRIPE_SECRET_KEY": "rk_live_1"}, "acceptance: STRIPE_SECRET_KEY is not a test key"),
        (
            {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": "http://127.0.0.1:9"},
            "acceptance: Stripe cannot be reached at http://127.0.0.1:9",
        ),
    ],
)
async def test_what_it_cannot_start_with_is_one_line(
    environment: dict[str, str], told: str
) -> None:
    status, output, said = await acceptance("--yes", **environment)

    assert (status, output) == (2, "")
    assert said.startswith(told)
    assert said.count("\n") == 1


async def test_nothing_is_created_without_a_yes(other: SandboxClient) -> None:
    given = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": other.url}
    status, _, said = await acceptance(**given)

    assert status != 0
    assert "7 customer" in said
    assert await other.all_of("/v1/customers") == []


@only_deep  # `make acceptance` is a target of its own
async def test_it_plays_everything_finds_no_difference_and_cleans_up(other: SandboxClient) -> None:
    given = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": other.url}
    status, output, said = await acceptance("--yes", "--json", **given)

    assert status == 0, said
    told: dict[str, Any] = json.loads(output)
    for end in ("stripe", "sandbox"):
        assert told[end]["passed"] == list(STORIES)
        assert told[end]["left"] == []
    assert told["differences"] == []
    assert told["stripe"]["exchanges"] > 100
    assert "is not Stripe itself" in said

    client = stripe.StripeClient("sk_test_1", base_addresses={"api": other.url})
    assert (await asyncio.to_thread(client.v1.customers.list)).data == []
    assert (await asyncio.to_thread(client.v2.core.accounts.list)).data == []
    intents = (await asyncio.to_thread(client.v1.payment_intents.list)).data
    assert {intent.status for intent in intents} == {"succeeded", "canceled"}
