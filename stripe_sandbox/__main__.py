"""`python -m stripe_sandbox`: serve a local Stripe until SIGTERM or SIGINT.

Options may also come from a JSON file (`--config`), which is where secrets belong:

    {"webhooks": [{"url": "http://...", "secret": "whsec_...", "connect": true,
                   "enabled_events": ["*"]}]}
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from stripe_sandbox.app import build_app, full_registry
from stripe_sandbox.sandbox import Sandbox
from stripe_sandbox.store import Store, StoreUnusableError
from stripe_sandbox.webhook_endpoints import configure_endpoints


class StartError(Exception):
    """Why the sandbox cannot start, in one line for the operator."""


def main() -> int:
    """Parse the options, serve, and return the exit status."""
    logging.basicConfig(level=logging.INFO, format="stripe_sandbox %(levelname)s %(message)s")
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(_options()))
    except StartError as error:
        sys.stderr.write(f"stripe_sandbox: {error}\n")
        return 1
    return 0


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal asks to stop; requests in progress are finished first."""
    stop = asyncio.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_number, stop.set)
    try:
        sandbox = Sandbox(full_registry(), Store(options.data))
    except StoreUnusableError as error:
        raise StartError(error) from error
    configure_endpoints(sandbox, _webhooks(options))
    runner = web.AppRunner(build_app(sandbox), shutdown_timeout=5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise StartError(f"port {options.port} on {options.host}: {error.strerror}") from error
        sandbox.state.public_url = options.public_url or _own_url(runner, options.host)
        # Scripts wait for this line and read the port from it.
        sys.stdout.write(f"Stripe sandbox listening on {sandbox.state.public_url}\n")
        sys.stdout.flush()
        await stop.wait()
    finally:
        await runner.cleanup()


def _own_url(runner: web.AppRunner, host: str) -> str:
    port = runner.addresses[0][1]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="stripe_sandbox", description="A local Stripe.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--data", type=Path, help="file that keeps the state over restarts")
    parser.add_argument("--config", type=Path, help="JSON file with webhook endpoints")
    parser.add_argument("--public-url", help="base URL of the hosted pages, if not host and port")
    for name, whose in (("platform", "the platform's"), ("connect", "connected accounts'")):
        parser.add_argument(
            f"--webhook-{name}",
            nargs=2,
            action="append",
            default=[],
            metavar=("URL", "SECRET"),
            help=f"deliver {whose} events there",
        )
    return parser.parse_args()


def _webhooks(options: argparse.Namespace) -> list[dict[str, Any]]:
    configured: list[Any] = []
    if options.config:
        try:
            configured = list(json.loads(options.config.read_text())["webhooks"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StartError(f"{options.config}: {error}") from error
    for endpoint in configured:
        if not isinstance(endpoint, dict) or not endpoint.get("url") or not endpoint.get("secret"):
            raise StartError(f"{options.config}: every webhook needs a url and a secret")
    for connect, pairs in ((False, options.webhook_platform), (True, options.webhook_connect)):
        configured += [{"url": url, "secret": secret, "connect": connect} for url, secret in pairs]
    return configured


if __name__ == "__main__":
    sys.exit(main())
