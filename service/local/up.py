"""What ``escrow up`` does: the system runs, the story is played, and later bookings are shown."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from service.domain.errors import DatabaseUnavailable
from service.ledger_tables import journals_table
from service.local.database import is_empty
from service.local.folder import Addresses, published
from service.local.setup import Setup
from service.local.story.by_hand import play_or_prepare
from service.local.story.new_journals import NewJournals
from service.local.story.play import Played
from service.local.story.stage import Stage, open_stage
from service.local.story.things_to_try import anything, show_things_to_try
from service.local.system import LocalSystem

SECOND_SIGNAL_S = 1.0  # make and a terminal may both pass on one and the same Ctrl-C
LOOK_S = 0.5
KEPT_DATA = (
    "\nThe database has data of an earlier run, so the story is not played again:"
    " [bold]make run STORY=1[/] plays it with new people."
)

OnReady = Callable[[Addresses, Played | None], None]


async def run_until_stopped(
    setup: Setup, console: Console, *, story: bool | None, on_ready: OnReady | None
) -> None:
    """Runs the system; SIGINT and SIGTERM end it in order, a second one at once.

    ``story``: whether to play it; None plays it in an empty database only. ``on_ready`` is called
    when everything runs and the story, if any, was played.
    """
    system = LocalSystem(setup, console)
    work = asyncio.create_task(_run(system, story=story, on_ready=on_ready))
    signals_at: list[float] = []

    def stop() -> None:
        signals_at.append(time.monotonic())
        if len(signals_at) == 1:
            work.cancel()
        elif signals_at[-1] - signals_at[0] > SECOND_SIGNAL_S:
            system.children.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with suppress(asyncio.CancelledError):
        await work
    console.print("Everything has stopped, and the data is kept.")


async def _run(system: LocalSystem, *, story: bool | None, on_ready: OnReady | None) -> None:
    """Runs until it is cancelled. Raises ChildEnded when a part ends by itself."""
    console, children = system.console, system.children
    async with system.running() as addresses, open_stage(addresses, console) as stage:
        if story is None:
            story = await is_empty(addresses.database_url)
            if not story:
                console.print(KEPT_DATA)
        played, to_try = (
            await children.while_alive(play_or_prepare(stage)) if story else (None, anything())
        )
        with published(system.setup.folder, addresses):
            if on_ready:
                on_ready(addresses, played)
            show_things_to_try(console, addresses, to_try)
            await children.while_alive(_follow(stage, system))


async def _follow(stage: Stage, system: LocalSystem) -> None:
    """Shows what is booked from now on, until it is cancelled."""
    journals = NewJournals(stage.journals.pool, stage.journals.tenant)
    console = stage.narrator.console
    away = False
    while True:
        try:
            await journals.read()
        except DatabaseUnavailable:  # it comes back: the service and the worker wait too
            if away:
                await system.require_postgres()
            else:
                console.print(f"[dim]{time.strftime('%X')}[/] [yellow]the database is away[/]")
            away = True
        else:
            if away:
                console.print(f"[dim]{time.strftime('%X')}[/] the database is back")
            away = False
        booked = journals.take_all()
        if booked:
            console.print(f"[dim]{time.strftime('%X')}[/] booked:")
            stage.narrator.show(journals_table(booked))
        await asyncio.sleep(LOOK_S)
