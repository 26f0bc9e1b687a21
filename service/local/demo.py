"""What ``escrow demo`` does: the story again, against what ``escrow up`` runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from service.local.folder import read_addresses
from service.local.story.by_hand import play_or_prepare
from service.local.story.play import Played
from service.local.story.stage import open_stage
from service.local.story.things_to_try import show_things_to_try


async def play_again(folder: Path, target: str | None, console: Console) -> Played | None:
    """Plays the story; ``target`` replaces the service's address. None where a person must act."""
    addresses = read_addresses(folder)
    if target:
        addresses = replace(addresses, grpc=target)
    async with open_stage(addresses, console) as stage:
        played, to_try = await play_or_prepare(stage)
    show_things_to_try(console, addresses, to_try, serving=False)
    return played
