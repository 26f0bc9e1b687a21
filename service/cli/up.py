"""``escrow up``: everything on this machine, each part its own process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from service.cli.checkout import require_local
from service.cli.numbers import port_number
from service.cli.printing import AsJson, people, print_json
from service.redaction import redact

if TYPE_CHECKING:
    from service.local.folder import Addresses
    from service.local.story.play import Played

FOLDER = Path(".escrow")
GRPC_PORT, GATEWAY_PORT, SANDBOX_PORT = 50051, 8080, 12111


def up(
    grpc_port: Annotated[
        int, typer.Option(parser=port_number, help="The service; 0 takes any.")
    ] = GRPC_PORT,
    gateway_port: Annotated[
        int, typer.Option(parser=port_number, help="The gateway; 0 takes any.")
    ] = GATEWAY_PORT,
    sandbox_port: Annotated[
        int, typer.Option(parser=port_number, help="The sandbox; 0 takes any.")
    ] = SANDBOX_PORT,
    data_dir: Annotated[Path, typer.Option(help="Where data and logs are kept.")] = FOLDER,
    *,
    story: Annotated[
        bool | None, typer.Option(help="Play the story, or do not; else in an empty database only.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Starts everything on this machine, plays a short story at first, and serves until Ctrl-C."""
    require_local("up", instead="make run")
    from service.local.folder import forget_published, hold_folder  # noqa: PLC0415 - the image has no service.local
    from service.local.setup import read_setup  # noqa: PLC0415 - likewise
    from service.local.up import run_until_stopped  # noqa: PLC0415 - likewise

    console = Console(quiet=True) if as_json else people
    forget_published(os.environ)
    with hold_folder(data_dir):
        setup = read_setup(data_dir, grpc_port, gateway_port, sandbox_port)
        on_ready = _print_ready if as_json else None
        asyncio.run(run_until_stopped(setup, console, story=story, on_ready=on_ready))


def _print_ready(addresses: Addresses, played: Played | None) -> None:
    database_url = redact(addresses.database_url)  # up.json has it whole
    document = {**asdict(addresses), "database_url": database_url}
    print_json({**document, "story": asdict(played) if played else None})
