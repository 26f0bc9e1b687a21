"""``escrow demo``: the story again, against what ``escrow up`` runs."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from service.cli.printing import AsJson, people, print_json
from service.local.setup import Addresses, read_addresses
from service.local.story.by_hand import tell
from service.local.story.play import Played
from service.local.story.stage import open_stage
from service.local.story.things_to_try import ToTry, show_things_to_try


def demo(
    data_dir: Annotated[Path, typer.Option(help="The folder of `escrow up`.")] = Path(".escrow"),
    target: Annotated[
        str | None, typer.Option(help="Another address of the service, behind a proxy perhaps.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Plays the story against a running `escrow up`, with new people and new escrows."""
    addresses = read_addresses(data_dir)
    if target:
        addresses = replace(addresses, grpc=target)
    console = Console(quiet=True) if as_json else people
    played, to_try = asyncio.run(_play(addresses, console))
    if as_json:
        print_json(asdict(played) if played else None)
    show_things_to_try(console, addresses, to_try, serving=False)


async def _play(addresses: Addresses, console: Console) -> tuple[Played | None, ToTry]:
    async with open_stage(addresses, console) as stage:
        return await tell(stage)
