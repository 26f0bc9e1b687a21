"""``escrow up``: everything on this machine, each part its own process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.console import Console

from service.cli.printing import AsJson, people, print_json
from service.ledger_tables import journals_table
from service.local.setup import Setup, hold_folder, published, read_setup
from service.local.story.by_hand import tell
from service.local.story.stage import Ledger, Stage, open_stage
from service.local.story.things_to_try import ToTry, show_things_to_try
from service.local.system import LocalSystem
from service.redaction import redact

FOLDER = Path(".escrow")
GRPC_PORT, GATEWAY_PORT, SANDBOX_PORT = 50051, 8080, 12111
SECOND_SIGNAL_S = 1.0  # make and a terminal may both pass on one and the same Ctrl-C
LOOK_S = 0.5

DataDir = Annotated[Path, typer.Option(help="Where data and logs are kept.")]


def up(
    grpc_port: Annotated[int, typer.Option(help="The service; 0 takes any.")] = GRPC_PORT,
    gateway_port: Annotated[int, typer.Option(help="The gateway; 0 takes any.")] = GATEWAY_PORT,
    sandbox_port: Annotated[int, typer.Option(help="The sandbox; 0 takes any.")] = SANDBOX_PORT,
    data_dir: DataDir = FOLDER,
    *,
    story: Annotated[bool, typer.Option(help="Play the story once everything runs.")] = True,
    as_json: AsJson = False,
) -> None:
    """Starts everything on this machine, plays a short story, and serves until Ctrl-C."""
    console = Console(quiet=True) if as_json else people
    with hold_folder(data_dir):
        setup = read_setup(data_dir, grpc_port, gateway_port, sandbox_port)
        asyncio.run(_until_told(setup, console, story=story, as_json=as_json))


async def _until_told(setup: Setup, console: Console, *, story: bool, as_json: bool) -> None:
    """Runs the system; SIGINT and SIGTERM end it in order, a second one at once."""
    system = LocalSystem(setup, console)
    work = asyncio.create_task(_run(system, story=story, as_json=as_json))
    told_at: list[float] = []

    def tell() -> None:
        told_at.append(time.monotonic())
        if len(told_at) == 1:
            work.cancel()
        elif told_at[-1] - told_at[0] > SECOND_SIGNAL_S:
            system.children.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, tell)
    with suppress(asyncio.CancelledError):
        await work
    console.print("Everything has stopped, and the data is kept.")


async def _run(system: LocalSystem, *, story: bool, as_json: bool) -> None:
    """Until it is cancelled. Raises ChildEnded when a part ends by itself."""
    console, children = system.console, system.children
    async with system.running() as addresses, open_stage(addresses, console) as stage:
        played, to_try = await children.while_alive(tell(stage)) if story else (None, ToTry([]))
        with published(system.setup.folder, addresses):
            if as_json:
                database_url = redact(addresses.database_url)  # up.json has it whole
                told = {**asdict(addresses), "database_url": database_url}
                print_json({**told, "story": asdict(played) if played else None})
            show_things_to_try(console, addresses, to_try)
            await children.while_alive(_follow(stage))


async def _follow(stage: Stage) -> None:
    """Shows what is booked from now on, for ever."""
    ledger = Ledger(stage.ledger.pool, stage.ledger.tenant)
    while True:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await ledger.read()  # it may be away for a while: the service waits for it too
        booked = ledger.take_all()
        if booked:
            stage.narrator.console.print(f"[dim]{time.strftime('%X')}[/] booked:")
            stage.narrator.show(journals_table(booked))
        await asyncio.sleep(LOOK_S)
