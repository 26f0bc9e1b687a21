"""Starts the gateway: ``python -m webhook_gateway`` or ``escrow-gateway``.

Exit status: 0 after SIGTERM or SIGINT and a drain, 2 if the configuration or the address cannot be
used.
"""

import argparse
import asyncio
import signal
import sys

import uvloop

from escrow.credentials import CredentialsUnusable
from webhook_gateway.config import ConfigError, Settings, load_settings
from webhook_gateway.logs import configure_logging
from webhook_gateway.server import ListenError, running
from webhook_gateway.telemetry import NAME, Telemetry, open_telemetry
from webhook_gateway.tenants import Tenants


def main() -> int:
    """Runs until SIGTERM or SIGINT."""
    arguments = _parse_arguments()
    try:
        settings, source = load_settings(arguments.host, arguments.port)
        tenants = Tenants.load(source)
        telemetry = open_telemetry()
    except ConfigError as error:
        return _refuse(f"the configuration cannot be used: {error}")
    configure_logging(settings.log_level)
    try:
        uvloop.run(serve(settings, tenants, telemetry))
    except (ListenError, CredentialsUnusable) as error:
        return _refuse(str(error))
    return 0


async def serve(settings: Settings, tenants: Tenants, telemetry: Telemetry) -> None:
    """Listens until SIGTERM or SIGINT, then drains."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(settings, tenants, telemetry) as address:
            print(f"gateway listening on {address}", flush=True)  # noqa: T201 - for the program that started us
            await stop.wait()
    finally:
        await asyncio.to_thread(telemetry.shut_down)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=NAME, description="Receives Stripe's webhooks.")
    parser.add_argument("--host", help="the address to listen on [ESCROW_GATEWAY_HOST]")
    parser.add_argument("--port", type=int, help="the port; 0 = any free one [ESCROW_GATEWAY_PORT]")
    return parser.parse_args()


def _refuse(reason: str) -> int:
    print(f"{NAME}: {reason}", file=sys.stderr)  # noqa: T201 - before or instead of the log
    return 2


if __name__ == "__main__":
    sys.exit(main())
