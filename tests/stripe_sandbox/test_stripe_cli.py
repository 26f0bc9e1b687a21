"""Stripe's own CLI drives the sandbox: its recipes run clean, and the events they name arrive.

The CLI comes from npm, once, into pytest's cache; where there is no npm the tests are skipped. It
runs offline: everything it needs to know is in its binary.
"""

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import stripe

from stripe_sandbox.events import API_VERSION
from tests.postgres import Server
from tests.scenarios.program import until
from tests.stripe_sandbox.conftest import CONNECT_SECRET, PLATFORM_SECRET, Running
from tests.stripe_sandbox.schema_check import problems_in_traffic
from tests.world import open_world

CLI = "@stripe/cli@1.52.0"
RECENT_S = 600.0
INSTALL_LIMIT_S = 45  # two tries, within the limit of a test
API_KEY = "sk_test_sandboxsandbox"  # the CLI wants twelve characters at least
TOLERANCE_S = 300

# The recipes that the sandbox promises to run are all those of these kinds.
PROMISED = re.compile(
    r"(account|charge|checkout\.session|customer|payment_intent|payout|refund|topup|transfer)\."
)
TRIGGERS = [
    "account.application.deauthorized",
    "account.updated",
    "charge.captured",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.failed",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.discount.created",
    "customer.discount.deleted",
    "customer.discount.updated",
    "customer.source.created",
    "customer.source.updated",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payout.created",
    "payout.updated",
    "topup.created",
    "transfer.created",
    "transfer.reversed",
    "transfer.updated",
]
# Not promised, and easy.
EXTRAS = [
    "cash_balance.funds_available",
    "coupon.created",
    "coupon.deleted",
    "coupon.updated",
    "customer_cash_balance_transaction.created",
    "payment_method.attached",
    "payment_method.detached",
    "payment_method.updated",
    "price.created",
    "price.updated",
    "product.created",
    "product.deleted",
    "product.updated",
    "setup_intent.canceled",
    "setup_intent.created",
    "setup_intent.requires_action",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
]

Stripe = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture(scope="session")
def cli(pytestconfig: pytest.Config) -> Path:
    """Stripe's CLI, installed where an earlier run or another worker has not done it yet."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, and Stripe's CLI comes from there")
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("stripe-cli")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = folder / CLI.rpartition("@")[2] / "node_modules" / ".bin" / "stripe"
        failed = folder / "failed"  # what another worker has just found out is not tried again
        if failed.exists() and time.time() - failed.stat().st_mtime < RECENT_S:
            pytest.skip(failed.read_text())
        if not program.exists() and (problem := _install(npm, program.parents[2])):
            failed.write_text(f"npm could not install {CLI}: {problem}")
            pytest.skip(failed.read_text())
    return program


def _install(npm: str, folder: Path) -> str:
    """Why it could not be installed; empty when it was."""
    options = ["--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
    problem = ""
    for _ in range(2):  # a registry hangs now and then, and answers the next request
        try:
            installed = subprocess.run(
                [npm, "install", *options, CLI],
                check=False,
                capture_output=True,
                text=True,
                timeout=INSTALL_LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            problem = f"no answer in {INSTALL_LIMIT_S} s"
            continue
        if installed.returncode == 0:
            return ""
        problem = installed.stderr.strip()[-300:]
    return problem


@pytest.fixture
def stripe_cli(cli: Path, tmp_path: Path) -> Stripe:
    """Runs the CLI with a configuration of its own: (exit code, what it printed)."""

    async def run(*arguments: str) -> tuple[int, str]:
        home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        quiet = {"STRIPE_CLI_TELEMETRY_OPTOUT": "1", "NO_COLOR": "1"}
        process = await asyncio.create_subprocess_exec(
            str(cli), *arguments, stdout=PIPE, stderr=STDOUT, env=os.environ | home | quiet
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    return run


async def trigger(running: Running, run: Stripe, event: str, *options: str) -> tuple[int, str]:
    """`stripe trigger` against the sandbox."""
    return await run("trigger", event, "--api-base", running.url, "--api-key", API_KEY, *options)


@pytest.mark.parametrize("event", TRIGGERS + EXTRAS)
async def test_a_recipe_of_stripes_cli(running: Running, stripe_cli: Stripe, event: str) -> None:
    await running.control("POST", "settings", capture_delay_ms=100)
    if event.startswith("transfer."):
        # These transfer all that they charge, so that there must be something for Stripe's fee.
        await trigger(running, stripe_cli, "balance.available")
    status, output = await trigger(running, stripe_cli, event)
    assert status == 0, output
    await running.receiver.wait_for(event)
    for delivery in running.receiver.received:
        secret = PLATFORM_SECRET if delivery.endpoint == "platform" else CONNECT_SECRET
        stripe.WebhookSignature.verify_header(
            delivery.body.decode(), delivery.signature, secret, TOLERANCE_S
        )
    await running.books()
    problems = await problems_in_traffic(running.http, running.url)
    # No SDK has the operations of the hosted page.
    assert [problem for problem in problems if "/v1/payment_pages/" not in problem] == []


async def test_no_promised_recipe_is_left_out(stripe_cli: Stripe) -> None:
    _, output = await stripe_cli("trigger", "--help")
    shipped = re.findall(r"^  ([a-z_]+(?:\.[a-z_]+)+)$", output, re.MULTILINE)
    assert {event for event in shipped if PROMISED.match(event)} == set(TRIGGERS)
    assert set(EXTRAS) < set(shipped)


async def test_a_recipe_for_an_older_version_is_refused_in_the_current_one(
    running: Running, stripe_cli: Stripe
) -> None:
    status, output = await trigger(
        running, stripe_cli, "payment_intent.succeeded", "--api-version", API_VERSION
    )
    assert status == 1
    assert "Received unknown parameter: payment_method_types" in output
    assert running.receiver.events() == []


async def test_the_gateway_takes_what_stripes_cli_triggers(
    postgres_server: Server, template_database: str, tmp_path: Path, stripe_cli: Stripe
) -> None:
    """Through the real gateway to the service's inbox; the service knows none of these payments."""
    events = ["charge.dispute.created", "checkout.session.completed", "payout.created"]
    async with open_world(postgres_server, template_database, tmp_path) as world:
        for event in events:
            options = ("--api-base", world.sandbox.url, "--api-key", API_KEY)
            status, output = await stripe_cli("trigger", event, *options)
            assert status == 0, output

        async def all_stored() -> bool:
            rows = await world.pool.fetch("SELECT DISTINCT type FROM stripe_events")
            return {row["type"] for row in rows} >= set(events)

        await until(all_stored, "arrival of what the CLI triggered")
        assert await world.sandbox.deliveries("failed") == []
